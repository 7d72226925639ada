import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { silentLogger } from '../../../../src/lib/logger.ts'
import { Schedule } from '../../../../src/registry/reconcile/schedule.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => vi.useRealTimers())

/** A schedule whose looks end as `outcome` says, and when they began, in seconds. */
function setUp(outcome: () => Promise<number | undefined> = () => Promise.resolve(undefined)) {
  const began: number[] = []
  const start = performance.now()
  const look = () => {
    began.push((performance.now() - start) / 1000)
    return outcome()
  }
  const schedule = new Schedule({ look, logger: silentLogger })
  return { schedule, began, pass: (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000) }
}

test('looks at once and then every minute, more or less', async () => {
  const { schedule, began, pass } = setUp()
  schedule.start()
  expect(began).toEqual([0])
  await pass(48)
  expect(began).toHaveLength(1)
  await pass(24)
  expect(began).toHaveLength(2)
  schedule.stop()
  await pass(600)
  expect(began).toHaveLength(2)
})

test('looks soon when told to, once for all that happens together', async () => {
  const { schedule, began, pass } = setUp()
  schedule.start()
  await pass(10)
  for (let times = 0; times < 100; times++) schedule.soon()
  await pass(3)
  expect(began).toHaveLength(2)
  await pass(40)
  expect(began).toHaveLength(2)
})

test('never looks twice at the same time; what happens during a look is looked at after it', async () => {
  let end = (): void => {}
  const { schedule, began, pass } = setUp(() => new Promise((resolve) => (end = () => resolve(undefined))))
  schedule.start()
  schedule.soon()
  await pass(300)
  expect(began).toHaveLength(1)
  end()
  await pass(3)
  expect(began).toHaveLength(2)
})

test('after a look that failed the next comes in seconds, then less and less often, up to the usual pause', async () => {
  let isDown = true
  const { schedule, began, pass } = setUp(() =>
    isDown ? Promise.reject(new Error('down')) : Promise.resolve(undefined),
  )
  schedule.start()
  await pass(600)
  const pauses = began.map((at, each) => at - (began[each - 1] ?? 0)).slice(1)
  expect(pauses[0]).toBeLessThan(3)
  expect(Math.max(...pauses)).toBeLessThan(73)
  expect(pauses.length).toBeGreaterThan(10)
  isDown = false
  await pass(80)
  const looks = began.length
  await pass(47)
  expect(began.length - looks).toBeLessThanOrEqual(1)
  schedule.stop()
})

test('a look may ask for the next', async () => {
  const { schedule, began, pass } = setUp(() => Promise.resolve(10_000))
  schedule.start()
  await pass(13)
  expect(began).toHaveLength(2)
  schedule.stop()
})
