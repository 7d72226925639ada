import { expect, describe, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import type { InstallRequest, PackageSupply } from '../../../src/sandbox/packages.ts'
import { installPackages } from '../../../src/tools/install-packages.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'

/** A supply of the archive "tar", which notes what it is asked and whether it was closed. */
class FakeSupply implements PackageSupply {
  readonly asked: InstallRequest[] = []
  open = 0
  mostOpen = 0
  before: () => Promise<void> = () => Promise.resolve()

  async fetch(request: InstallRequest) {
    this.asked.push(request)
    this.mostOpen = Math.max(this.mostOpen, ++this.open)
    await this.before().catch((error: unknown) => {
      this.open--
      throw error
    })
    return {
      // oxlint-disable-next-line typescript/require-await -- an archive in memory
      archive: (async function* () {
        yield Buffer.from('tar')
      })(),
      registry: 'https://registry.example/',
      close: () => Promise.resolve(void this.open--),
    }
  }
}

function world(stdout = 'numpy\t2.1.0\n') {
  const supply = new FakeSupply()
  const fake = new FakeSupervisor()
  fake.supply = supply
  fake.script({ stdout })
  return { supply, fake }
}

describe('install_packages', () => {
  test('brings the download into the sandbox, installs it there, and tells the versions', async () => {
    const { supply, fake } = world()
    const outcome = await runTool(installPackages, { packages: ['numpy<3'] }, fake)
    expect(supply.asked).toEqual([{ manager: 'pip', packages: ['numpy<3'], upgrade: false }])
    expect(supply.open).toBe(0)
    const [path] = [...fake.files.keys()]
    expect(path).toMatch(/^\/workspace\/\.cache\/sandbox-mcp\/[0-9a-f]{16}\/packages\.tar$/)
    const [started] = fake.started
    // The names are words of the command, never text of a shell.
    expect(started?.command.slice(3)).toEqual([
      'install.sh',
      path?.replace('/packages.tar', ''),
      'https://registry.example/',
      '',
      'pip',
      'numpy<3',
    ])
    expect(outcome.text).toBe('numpy 2.1.0')
    expect(outcome.structured).toMatchObject({
      manager: 'pip',
      installed: [{ name: 'numpy', version: '2.1.0' }],
      log_path: '/workspace/.local/install.log',
    })
  })

  test('of one user runs one after the other', async () => {
    const { supply, fake } = world()
    const gate = deferred<void>()
    supply.before = () => gate.promise
    const sandbox = fake.sandbox()
    const install = (name: string) => runTool(installPackages, { packages: [name] }, fake, { sandbox })
    const all = Promise.all([install('a'), install('b'), install('c')])
    gate.resolve()
    await all
    expect(supply.asked.map(({ packages }) => packages[0])).toEqual(['a', 'b', 'c'])
    expect(supply.mostOpen).toBe(1)
  })

  test('after one that failed, or was cancelled while it waited, goes on with the next', async () => {
    const { supply, fake } = world()
    const sandbox = fake.sandbox()
    const gone = new AbortController()
    supply.before = () => Promise.reject(new SandboxError('package_not_found', 'no'))
    const failing = runTool(installPackages, { packages: ['a'] }, fake, { sandbox })
    const cancelled = runTool(installPackages, { packages: ['b'] }, fake, { sandbox, signal: gone.signal })
    gone.abort(new Error('cancelled'))
    await expectCode(failing, 'package_not_found')
    await expect(cancelled).rejects.toThrow('cancelled')
    supply.before = () => Promise.resolve()
    await runTool(installPackages, { packages: ['c'] }, fake, { sandbox })
    expect(supply.asked.map(({ packages }) => packages[0])).toEqual(['a', 'c'])
  })

  test('frees the download when it cannot be brought into the sandbox', async () => {
    const { supply, fake } = world()
    fake.failWriteOf = { suffix: 'packages.tar', error: new SandboxError('disk_full', 'full') }
    await expectCode(runTool(installPackages, { packages: ['a'] }, fake), 'disk_full')
    expect(supply.open).toBe(0)
    expect(fake.started).toEqual([])
  })

  test.each([
    ['ERROR: x', 'install_failed'],
    ['OSError: [Errno 28] No space left on device', 'disk_full'],
  ] as const)('that ends with %j is %s', async (stdout, code) => {
    const { fake } = world()
    fake.script({ stdout, exitCode: 1 })
    await expectCode(runTool(installPackages, { packages: ['a'] }, fake), code)
  })

  test('takes no more lines than packages from the sandbox, and nothing that a terminal would obey', async () => {
    const { fake } = world('x\na\t1\u001b]0;x\u0007\u202e\nb\t2\nevil\t9\n')
    const outcome = await runTool(installPackages, { packages: ['a', 'b'] }, fake)
    expect(outcome.structured?.['installed']).toHaveLength(2)
    expect(outcome.text).toMatch(/^a 1[ -~]*\nb 2$/)
  })
})
