import { expect, test } from 'vitest'
import { checkSyntax } from '../../../src/tools/check-syntax.ts'
import { sandboxInfo } from '../../../src/tools/sandbox-info.ts'
import { searchFiles } from '../../../src/tools/search-files.ts'
import { useRealSandbox } from '../../helpers/real-sandbox.ts'

const real = useRealSandbox('python-minimal', { memory: '256MiB', pids: '100', 'idle-timeout': '10m' })

test('sandbox_info tells what is really in force and in use', async () => {
  const { structured, footer } = await real().call(sandboxInfo, {})
  expect(structured).toMatchObject({
    state: 'ready',
    runtime: 'python-minimal',
    image: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    os: expect.stringMatching(/Debian/),
    versions: { python3: expect.stringMatching(/^3\.\d+\.\d+$/), bash: expect.stringMatching(/^5\./) },
    network: 'none',
    limits: { memory_bytes: 256 * 1024 ** 2, processes: 100, cpus: 1, workspace_bytes: 10 * 1024 ** 3 },
    idle_timeout_s: 600,
  })
  const use = structured?.['use'] as Record<string, number>
  expect(use['memory_bytes']).toBeGreaterThan(100_000)
  expect(use['memory_bytes']).toBeLessThan(256 * 1024 ** 2)
  expect(use['cpu_ms']).toBeGreaterThan(0)
  expect(use['processes']).toBeGreaterThan(0)
  expect(use['workspace_files']).toBeGreaterThan(0)
  expect(use['workspace_free_bytes']).toBeGreaterThan(1024 ** 2)
  expect(use['tmp_free_bytes']).toBeGreaterThan(1024 ** 2)
  expect(footer).toMatch(/^\[ready · up for .* · sleeps after 10 min without use · at 20\d\d-.*Z at the earliest\]$/)
})

test('what runs in the background makes it busy', async () => {
  const { sandbox, call } = real()
  const spec = { timeoutMs: 60_000, waitMs: 0, maxOutputBytes: 1024 }
  const { id } = await sandbox.commands.run({ ...spec, command: 'exec cat' })
  expect((await call(sandboxInfo, {})).structured).toMatchObject({ state: 'busy', use: { running_commands: 1 } })
  await sandbox.processes.write(id, '', true)
})

test("what the tools run for themselves is not among the user's processes", async () => {
  const { sandbox, call, put } = real()
  const before = await sandbox.processes.list()
  await put('a.py', 'print("needle")\n')
  await call(searchFiles, { pattern: 'needle' })
  await call(checkSyntax, { path: 'a.py' })
  await call(sandboxInfo, {})
  expect(await sandbox.processes.list()).toEqual(before)
})
