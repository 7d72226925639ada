import { afterEach, describe, expect, test, vi } from 'vitest'
import { NO_HANDOVER } from '../../../src/lib/handover.ts'
import { AMPLE_SPACE } from '../../../src/sandbox/space.ts'
import { sandboxInfo } from '../../../src/tools/sandbox-info.ts'
import { FakeControl } from '../../helpers/fake-control.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'

const INVENTORY =
  '@@inventory os\nDebian 12\n@@inventory architecture\nx86_64\n@@inventory python3\nPython 3.11.2\n@@inventory bash\nbash 5.2.15\n'

afterEach(() => vi.useRealTimers())

function world(): FakeSupervisor {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 2, 3, 4, 5), toFake: ['Date'] })
  const fake = new FakeSupervisor()
  fake.onStart = () => ({ stdout: INVENTORY })
  fake.put('/sys/fs/cgroup/cpu.stat', 'usage_usec 1500000\n')
  fake.put('/sys/fs/cgroup/pids.current', '3')
  return fake
}

describe('sandbox_info', () => {
  test('both channels tell what the sandbox is and takes', async () => {
    const outcome = await runTool(sandboxInfo, {}, world())
    expect(outcome.text.split('\n')).toEqual([
      'Runtime: test: For tests.',
      'Packages: pip: numpy, pandas',
      'Image: sha256:0123',
      'System: Debian 12, x86_64',
      'Versions: python3 3.11.2, bash 5.2.15',
      'Memory: 12 MiB of 512 MiB',
      'CPU: 1, 1.5 s used',
      'Processes: 3 of 256',
      'Disk /workspace: 8 KiB in 2 files, 1 MiB free of 2 MiB',
      'Disk /tmp: 1 MiB free of 2 MiB',
      'Network: none',
      'Longest command: 1 h; largest file: 1 GiB',
    ])
    expect(outcome.footer).toBe(
      '[ready · up for 1 min 30 s · sleeps after 30 min without use · at 2026-01-02T03:34:05Z at the earliest]',
    )
    expect(outcome.structured).toEqual({
      state: 'ready',
      mode: 'persistent',
      runtime: 'test',
      description: 'For tests.',
      packages: { pip: ['numpy', 'pandas'] },
      image: 'sha256:0123',
      digest: '4567',
      os: 'Debian 12',
      architecture: 'x86_64',
      versions: { python3: '3.11.2', bash: '5.2.15' },
      network: 'none',
      limits: {
        memory_bytes: 536_870_912,
        cpus: 1,
        processes: 256,
        tmp_bytes: 67_108_864,
        file_bytes: 1_073_741_824,
        open_files: 1024,
        timeout_s: 3600,
      },
      use: {
        uptime_s: 90,
        running_commands: 0,
        oom_kills: 0,
        memory_bytes: 12_582_912,
        cpu_ms: 1500,
        processes: 3,
        workspace_free_bytes: 1_048_576,
        workspace_bytes: 8192,
        workspace_files: 2,
        tmp_free_bytes: 1_048_576,
      },
      idle_timeout_s: 1800,
      sleeps_at: '2026-01-02T03:34:05Z',
    })
  })

  test('what the workspace may hold is told beside what it holds', async () => {
    const fake = world()
    fake.space = { ...AMPLE_SPACE, allowedBytes: 1024 ** 3, allowedFiles: 20_000 }
    const { text, structured } = await runTool(sandboxInfo, {}, fake)
    expect(text).toContain('\nAllowed in the workspace: 1 GiB and 20,000 files\n')
    expect(structured).toMatchObject({ limits: { workspace_bytes: 1024 ** 3, workspace_files: 20_000 } })
  })

  test('while something runs there is no time of sleep', async () => {
    const fake = world()
    fake.state = { ...fake.state, running: 2, oomKills: 1 }
    const outcome = await runTool(sandboxInfo, {}, fake)
    expect(outcome.footer).toBe('[busy: 2 running · up for 1 min 30 s · sleeps after 30 min without use]')
    expect(outcome.structured).not.toHaveProperty('sleeps_at')
    expect(outcome.text).toContain('512 MiB, 1 killed for lack of it')
  })

  test('a sandbox that never sleeps says so', async () => {
    const fake = world()
    const sandbox = fake.sandbox({ idleTimeoutMs: 0 })
    const context = { sandbox, control: new FakeControl(), handover: NO_HANDOVER, signal: new AbortController().signal }
    expect((await sandboxInfo.run({}, context)).footer).toBe('[ready · up for 1 min 30 s · never sleeps]')
  })
})
