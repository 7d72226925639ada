import { describe, expect, test } from 'vitest'
import { deferred } from '../../../../src/lib/deferred.ts'
import { silentLogger } from '../../../../src/lib/logger.ts'
import { DiskFloor } from '../../../../src/registry/quota/disk-floor.ts'
import { type QuotaDeps, WorkspaceQuota } from '../../../../src/registry/quota/workspace-quota.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { failureOf } from '../../../helpers/failure.ts'
import { MeasuredSandbox } from '../../../helpers/measured-sandbox.ts'
import { recordingTelemetry } from '../../../helpers/recording-telemetry.ts'

const MIB = 1024 ** 2
const LIMITS = { bytes: 100 * MIB, files: 1000 }
/** Long after any walk of a test. */
const LATER = () => performance.now() + 600_000

function lab(deps: Partial<QuotaDeps> = {}) {
  const sandbox = new MeasuredSandbox()
  const { telemetry, told } = recordingTelemetry()
  const floor = new DiskFloor(0)
  const quota = new WorkspaceQuota({
    limits: LIMITS,
    floor,
    lookAtDisk: () => Promise.resolve(),
    present: () => sandbox.client,
    telemetry,
    logger: silentLogger,
    pursueMs: 1,
    ...deps,
  })
  return { sandbox, quota, told }
}

/** The disk as the last walk saw it, with so much taken since. */
function disk({ usage }: MeasuredSandbox, takenBytes: number, takenInodes = 0) {
  return {
    bytes: usage.fsBytes,
    freeBytes: usage.fsFreeBytes - takenBytes,
    inodes: usage.fsInodes,
    freeInodes: usage.fsFreeInodes - takenInodes,
  }
}

describe('room for a write', () => {
  test('costs no look at the sandbox while there is plenty', async () => {
    const { sandbox, quota } = lab()
    sandbox.holds(50 * MIB)
    await quota.look()
    for (let n = 0; n < 100; n++) await quota.require(40 * MIB)
    expect(sandbox.walks).toBe(1)
    expect(sandbox.looks).toEqual([])
  })

  test('is refused beyond the limit, with what is used, what is allowed and what to do', async () => {
    const { sandbox, quota, told } = lab()
    sandbox.holds(120 * MIB, 34)
    await quota.look()
    const error = await failureOf(quota.require(0))
    expect(error).toMatchObject({
      code: 'disk_full',
      message: 'The workspace holds 120 MiB in 34 files; 100 MiB and 1,000 files are allowed.',
      hint: expect.stringContaining('du -xh /workspace'),
    })
    expect(told).toContainEqual(['roomRefused', 'workspace'])
  })

  test('is refused for a write that alone would go beyond it', async () => {
    const { sandbox, quota } = lab()
    sandbox.holds(90 * MIB)
    await quota.look()
    await quota.require(10 * MIB)
    const error = await failureOf(quota.require(11 * MIB))
    expect(error).toMatchObject({
      code: 'disk_full',
      message: expect.stringMatching(/^11 MiB more do not fit: the workspace holds 90 MiB/),
    })
  })

  test('counts what tools have written since the last look', async () => {
    const { sandbox, quota } = lab()
    sandbox.holds(50 * MIB)
    await quota.look()
    quota.wrote(45 * MIB)
    sandbox.holds(95 * MIB)
    await expectCode(quota.require(10 * MIB), 'disk_full')
    expect(sandbox.walks).toBe(2)
    await quota.require(5 * MIB)
    expect(sandbox.walks).toBe(2)
  })

  test('is there again as soon as the user has deleted something', async () => {
    const { sandbox, quota } = lab()
    sandbox.holds(120 * MIB)
    await quota.look()
    await expectCode(quota.require(0), 'disk_full')
    sandbox.holds(20 * MIB)
    await quota.require(0)
  })

  test('is not refused for a look that had begun before something was deleted', async () => {
    const { sandbox, quota } = lab()
    sandbox.holds(120 * MIB)
    await quota.look()
    const before = deferred<void>()
    sandbox.onWalk = (walk) => {
      if (walk === 2) return before.promise
      return sandbox.holds(1 * MIB)
    }
    const looked = quota.look()
    const asked = quota.require(0)
    before.resolve()
    await looked
    await expect(asked).resolves.toBeUndefined()
  })

  test('ends with too many files as with too many bytes', async () => {
    const { sandbox, quota } = lab()
    sandbox.holds(1 * MIB, 1001)
    await quota.look()
    await expectCode(quota.require(0), 'disk_full')
    sandbox.holds(1 * MIB, 1000)
    await quota.require(0)
  })

  test.each([
    ['unreadable', /may not be read/, /chmod/],
    ['too_deep', /so deep/, /rm -rf/],
  ] as const)(
    'is not given where files may be hidden (%s), and it is said how to mend that',
    async (unseen, message, hint) => {
      const { sandbox, quota } = lab()
      sandbox.usage = { ...sandbox.usage, unseen }
      await quota.look()
      const error = await failureOf(quota.require(0))
      expect(error).toMatchObject({ code: 'disk_full' })
      expect(String(error)).toMatch(message)
      expect((error as { hint?: string }).hint).toMatch(hint)
    },
  )

  test('is the disk alone without limits, and where the kernel holds the limit', async () => {
    const free = lab({ limits: { bytes: 0, files: 0 } })
    free.sandbox.holds(1e15, 1e9)
    expect(free.quota.isDue(undefined, LATER())).toBe(false)
    await free.quota.require(1e15)
    const held = lab()
    held.sandbox.usage = { ...held.sandbox.usage, bytes: 99 * MIB, fsBytes: 100 * MIB }
    await held.quota.look()
    expect(held.quota.isHeldByKernel).toBe(true)
    await held.quota.require(50 * MIB)
    expect(held.quota.isDue(disk(held.sandbox, 1e15), LATER())).toBe(false)
  })
})

describe('the floor under the engine’s disk', () => {
  test('refuses every write while it is reached, after another look', async () => {
    const floor = new DiskFloor(10 * MIB)
    const low = { bytes: 1e9, freeBytes: 5 * MIB, inodes: 0, freeInodes: 0 }
    let now = low
    const { quota, told } = lab({
      floor,
      lookAtDisk: () => Promise.resolve(floor.note(now)),
      limits: { bytes: 0, files: 0 },
    })
    await quota.require(1)
    floor.note(low)
    const error = await failureOf(quota.require(1))
    expect(error).toMatchObject({
      code: 'engine_disk_full',
      message: expect.stringContaining('5 MiB of disk left; 10 MiB are kept free'),
    })
    expect(told).toContainEqual(['roomRefused', 'engine_disk'])
    now = { ...low, freeBytes: 50 * MIB }
    await quota.require(1)
  })

  test.each([
    [{ bytes: 1e9, freeBytes: 9, inodes: 0, freeInodes: 0 }, 10, true],
    [{ bytes: 1e9, freeBytes: 10, inodes: 0, freeInodes: 0 }, 10, false],
    [{ bytes: 1e9, freeBytes: 1e8, inodes: 1000, freeInodes: 9 }, 10, true],
    [{ bytes: 1e9, freeBytes: 1e8, inodes: 1000, freeInodes: 10 }, 10, false],
    [{ bytes: 1e9, freeBytes: 0, inodes: 1000, freeInodes: 0 }, 0, false],
  ])('%j with %d kept free: reached is %s', (state, least, reached) => {
    const floor = new DiskFloor(least)
    floor.note(state)
    expect(floor.isReached).toBe(reached)
  })
})

describe('a workspace is looked at', () => {
  test('when it never was', () => {
    expect(lab().quota.isDue(undefined, 0)).toBe(true)
  })

  test('when all that was written on the disk since, if it was written here, would be beyond the limit; not before', async () => {
    const { sandbox, quota } = lab()
    sandbox.holds(40 * MIB, 100)
    await quota.look()
    const soon = performance.now() + 30_000
    expect(quota.isDue(disk(sandbox, 0), soon)).toBe(false)
    expect(quota.isDue(disk(sandbox, 60 * MIB), soon)).toBe(false)
    expect(quota.isDue(disk(sandbox, 60 * MIB + 1), soon)).toBe(true)
    expect(quota.isDue(disk(sandbox, 0, 900), soon)).toBe(false)
    expect(quota.isDue(disk(sandbox, 0, 901), soon)).toBe(true)
  })

  test('after a while, since others who delete hide what one writes; not on a quiet disk', async () => {
    const { sandbox, quota } = lab()
    await quota.look()
    expect(quota.isDue(disk(sandbox, -5 * MIB), performance.now() + 30_000)).toBe(false)
    expect(quota.isDue(disk(sandbox, -5 * MIB), LATER())).toBe(true)
    expect(quota.isDue(disk(sandbox, 0), LATER())).toBe(false)
  })

  test('seldom when that takes long', async () => {
    const { sandbox, quota } = lab()
    sandbox.holds(99 * MIB)
    sandbox.onWalk = () => new Promise((resolve) => setTimeout(resolve, 50))
    await quota.look()
    expect(quota.isDue(disk(sandbox, 1e9), performance.now() + 500)).toBe(false)
    expect(quota.isDue(disk(sandbox, 1e9), LATER())).toBe(true)
  })

  test('by one at a time', async () => {
    const { sandbox, quota } = lab()
    const slow = deferred<void>()
    sandbox.onWalk = () => slow.promise
    const looked = quota.look()
    expect(quota.isDue(disk(sandbox, 1e12), LATER())).toBe(false)
    slow.resolve()
    await looked
    expect(sandbox.walks).toBe(1)
  })

  test('not at all while it sleeps: nothing is woken', async () => {
    const { sandbox, quota } = lab({ present: () => undefined })
    await quota.look()
    await quota.require(1)
    expect(sandbox.walks).toBe(0)
  })
})

describe('beyond the limit', () => {
  const command = { id: 'abc-1', status: 'running' as const, leftRunning: false }

  test('a command that goes on growing the workspace is ended, and it is told why', async () => {
    const { sandbox, quota, told } = lab()
    sandbox.running = [command, { id: 'abc-2', status: 'exited', leftRunning: true }]
    sandbox.onWalk = () => {
      if (sandbox.cancelled.length === 0) sandbox.holds(sandbox.usage.bytes + 150 * MIB)
    }
    await quota.look()
    expect(sandbox.cancelled).toEqual(['abc-1', 'abc-2'])
    expect(sandbox.killedAll).toBe(0)
    expect(quota.whyEnded('abc-1')).toMatch(
      /^ended: it went on writing while the workspace was over its limit \(300 MiB of 100 MiB\)/,
    )
    expect(quota.whyEnded('abc-2')).toBeUndefined()
    expect(told).toContainEqual(['overrunEnded'])
  })

  test('what still grows after that is killed with everything else', async () => {
    const { sandbox, quota } = lab()
    sandbox.running = [command]
    sandbox.onWalk = () => {
      if (sandbox.killedAll === 0) sandbox.holds(sandbox.usage.bytes + 150 * MIB)
    }
    await quota.look()
    expect(sandbox.killedAll).toBe(1)
  })

  test('a command that writes no more runs on: the user may be deleting', async () => {
    const { sandbox, quota } = lab()
    sandbox.running = [command]
    sandbox.holds(150 * MIB)
    await quota.look()
    expect(sandbox.cancelled).toEqual([])
    expect(sandbox.walks).toBe(2)
  })

  test('one that has ended meanwhile is no fault', async () => {
    const { sandbox, quota } = lab()
    sandbox.running = [command]
    sandbox.onWalk = () => {
      if (sandbox.cancelled.length === 0) sandbox.holds(sandbox.usage.bytes + 150 * MIB)
    }
    sandbox.onCancel = () => (sandbox.running = [])
    await quota.look()
    expect(sandbox.cancelled).toEqual(['abc-1'])
  })
})
