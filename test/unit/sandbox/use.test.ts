import { describe, expect, test } from 'vitest'
import { cpuTimeMs, parseDf } from '../../../src/sandbox/use.ts'
import { WireError } from '../../../src/supervisor/errors.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'

const DF = [
  'Filesystem     1024-blocks     Used Available Capacity Mounted on',
  '/dev/vda         264212084 31557524  74833388      30% /workspace',
  'tmpfs                65536        8     65528       1% /tmp',
  '',
].join('\n')

describe('the use of a sandbox', () => {
  test('is read from the supervisor, the cgroup of either version, and df', async () => {
    const fake = new FakeSupervisor()
    fake.script({ stdout: DF })
    fake.put('/sys/fs/cgroup/cpuacct/cpuacct.usage', '26450849\n')
    fake.put('/sys/fs/cgroup/pids/pids.current', '5\n')
    const expected = {
      uptimeMs: 90_000,
      running: 0,
      memoryBytes: 12 * 1024 ** 2,
      memoryLimitBytes: 512 * 1024 ** 2,
      oomKills: 0,
      cpuMs: 26.450849,
      processes: 5,
      disks: [
        { path: '/workspace', sizeBytes: 264_212_084 * 1024, freeBytes: 74_833_388 * 1024 },
        { path: '/tmp', sizeBytes: 65_536 * 1024, freeBytes: 65_528 * 1024 },
      ],
    }
    expect(await fake.sandbox().use.measure()).toEqual(expected)
    fake.put('/sys/fs/cgroup/cpu.stat', 'usage_usec 12000\nuser_usec 1\n')
    fake.put('/sys/fs/cgroup/pids.current', '6')
    expect(await fake.sandbox().use.measure()).toEqual({ ...expected, cpuMs: 12, processes: 6 })
  })

  test('what cannot be read is left out', async () => {
    const fake = new FakeSupervisor()
    fake.state = { ...fake.state, memoryBytes: 0, memoryLimitBytes: 0 }
    fake.onStart = () => new WireError('not_found', 2)
    expect(await fake.sandbox().use.measure()).toMatchObject({
      memoryBytes: undefined,
      memoryLimitBytes: undefined,
      cpuMs: undefined,
      processes: undefined,
      disks: [],
    })
  })

  test.each(['', 'x', 'h\n1 2 3', 'h\ndev 99999999999999999 1 2 3% /w', 'h\ndev -1 2 3 4% /w'])(
    'a df that says %j is not believed',
    (output) => expect(parseDf(output, ['/w'])).toEqual([]),
  )

  test.each([
    ['usage_usec 5000\n', 5],
    ['5000000\n', 5],
    ['', undefined],
    ['-1', undefined],
    ['1e9', undefined],
    [`usage_usec ${'9'.repeat(30)}`, undefined],
  ])('CPU time in %j is %s ms', (text, ms) => expect(cpuTimeMs(text)).toBe(ms))
})
