import { afterEach, expect, test } from 'vitest'
import { deferred } from '../../../../src/lib/deferred.ts'
import { noTelemetry } from '../../../../src/lib/telemetry.ts'
import { silentLogger } from '../../../../src/lib/logger.ts'
import { DiskFloor } from '../../../../src/registry/quota/disk-floor.ts'
import { QuotaWatch, type QuotaWatchDeps } from '../../../../src/registry/quota/quota-watch.ts'
import { WorkspaceQuota } from '../../../../src/registry/quota/workspace-quota.ts'
import { MeasuredSandbox } from '../../../helpers/measured-sandbox.ts'

const MIB = 1024 ** 2
const watches: QuotaWatch[] = []
afterEach(() => watches.splice(0).forEach((watch) => watch.stop()))

function lab(count: number, deps: Partial<QuotaWatchDeps> = {}) {
  const floor = new DiskFloor(0)
  const sandboxes = Array.from({ length: count }, () => new MeasuredSandbox())
  const quotas = sandboxes.map(
    (sandbox) =>
      new WorkspaceQuota({
        limits: { bytes: 100 * MIB, files: 1000 },
        floor,
        lookAtDisk: () => Promise.resolve(),
        present: () => sandbox.client,
        telemetry: noTelemetry,
        logger: silentLogger,
      }),
  )
  const watch = new QuotaWatch({
    quotas: () => quotas,
    floor,
    localDisk: () => Promise.resolve(undefined),
    logger: silentLogger,
    everyMs: 1_000_000,
    ...deps,
  })
  watches.push(watch)
  return { watch, floor, sandboxes, quotas }
}

test('one sandbox is asked about the disk that all share; each workspace is walked through once', async () => {
  const { watch, floor, sandboxes } = lab(3)
  await watch.look()
  await expect.poll(() => sandboxes.map(({ walks }) => walks)).toEqual([1, 1, 1])
  await watch.look()
  expect(floor.state).toMatchObject({ freeBytes: 1024 ** 4 / 2 })
  expect(sandboxes.flatMap(({ looks }) => looks)).toEqual(['/workspace', '/workspace'])
  expect(sandboxes.map(({ walks }) => walks)).toEqual([1, 1, 1])
})

test('the disk is looked at from this machine where that can be', async () => {
  const state = { bytes: 10, freeBytes: 5, inodes: 0, freeInodes: 0 }
  const { watch, floor, sandboxes } = lab(1, { localDisk: () => Promise.resolve(state) })
  await watch.look()
  expect(floor.state).toEqual(state)
  expect(sandboxes[0]?.looks).toEqual([])
})

test('a workspace with a size of its own does not stand for the engine’s disk', async () => {
  const { watch, sandboxes, quotas } = lab(1)
  const [sandbox] = sandboxes
  if (!sandbox) throw new Error('no sandbox')
  sandbox.usage = { ...sandbox.usage, fsBytes: 100 * MIB }
  await quotas[0]?.look()
  await watch.look()
  expect(sandbox.looks).toEqual(['/'])
})

test('who asks at the same time shares one look, and a failing one is no fault of theirs', async () => {
  let looks = 0
  const { watch } = lab(0, {
    localDisk: () => {
      looks++
      return Promise.reject(new Error('broken'))
    },
  })
  await Promise.all([watch.look(), watch.look()])
  expect(looks).toBe(1)
})

test('without a sandbox the engine is left alone', async () => {
  let looks = 0
  const ticks = deferred<void>()
  const { watch } = lab(0, {
    everyMs: 1,
    quotas: () => {
      if (++looks === 3) ticks.resolve()
      return []
    },
    localDisk: () => Promise.reject(new Error('asked')),
    logger: { ...silentLogger, error: () => ticks.reject(new Error('asked')) },
  })
  await expect(ticks.promise).resolves.toBeUndefined()
  watch.stop()
})
