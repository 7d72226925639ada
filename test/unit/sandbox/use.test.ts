import { describe, expect, test } from 'vitest'
import { cpuTimeMs } from '../../../src/sandbox/use.ts'
import { WireError } from '../../../src/supervisor/errors.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'

describe('the use of a sandbox', () => {
  test('is read from the supervisor, the cgroup of either version, and its walk', async () => {
    const fake = new FakeSupervisor()
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
        {
          path: '/workspace',
          sizeBytes: 2 * 1024 ** 2,
          freeBytes: 1024 ** 2,
          content: { bytes: 8192, entries: 2, isAll: true },
        },
        { path: '/tmp', sizeBytes: 2 * 1024 ** 2, freeBytes: 1024 ** 2, content: undefined },
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
    fake.disk = undefined
    expect(await fake.sandbox().use.measure()).toMatchObject({
      memoryBytes: undefined,
      memoryLimitBytes: undefined,
      cpuMs: undefined,
      processes: undefined,
      disks: [],
    })
  })

  test.each([{ stopped: 'time' }, { stopped: 'entries' }, { unseen: 'unreadable' }] as const)(
    'a walk that missed something (%j) says so',
    async (missed) => {
      const fake = new FakeSupervisor()
      if (fake.disk) fake.disk = { ...fake.disk, ...missed }
      const [workspace] = (await fake.sandbox().use.measure()).disks
      expect(workspace?.content).toEqual({ bytes: 8192, entries: 2, isAll: false })
    },
  )

  test('when others walk already, it tells what it can without a walk', async () => {
    const fake = new FakeSupervisor()
    const look = fake.usage.bind(fake)
    fake.usage = (path, bounds) =>
      bounds.maxEntries > 0 ? Promise.reject(new WireError('too_many', 0)) : look(path, bounds)
    const [workspace] = (await fake.sandbox().use.measure()).disks
    expect(workspace).toMatchObject({ path: '/workspace', freeBytes: 1024 ** 2, content: undefined })
  })

  test.each([
    ['usage_usec 5000\n', 5],
    ['5000000\n', 5],
    ['', undefined],
    ['-1', undefined],
    ['1e9', undefined],
    [`usage_usec ${'9'.repeat(30)}`, undefined],
  ])('CPU time in %j is %s ms', (text, ms) => expect(cpuTimeMs(text)).toBe(ms))
})
