import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { RefillPause } from '../../../../src/registry/pool/refill-pause.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

test('is twice as long after each failure in a row, up to a minute, and tells its end', async () => {
  const onEnd = vi.fn<() => void>()
  const pause = new RefillPause(onEnd)
  expect(pause.isOver).toBe(true)
  for (const [at, ms] of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000].entries()) {
    pause.failed()
    await vi.advanceTimersByTimeAsync(ms - 1)
    expect([pause.isOver, onEnd.mock.calls.length]).toEqual([false, at])
    await vi.advanceTimersByTimeAsync(1)
    expect([pause.isOver, onEnd.mock.calls.length]).toEqual([true, at + 1])
  }
  pause.succeeded()
  pause.failed()
  await vi.advanceTimersByTimeAsync(1000)
  expect(pause.isOver).toBe(true)
})

test('is not cut short by a shorter one, and never ends once it is stopped', async () => {
  const onEnd = vi.fn<() => void>()
  const pause = new RefillPause(onEnd)
  pause.atLeast(60_000)
  pause.failed()
  await vi.advanceTimersByTimeAsync(59_999)
  expect(pause.isOver).toBe(false)
  pause.stop()
  await vi.advanceTimersByTimeAsync(120_000)
  expect([pause.isOver, onEnd.mock.calls.length]).toEqual([false, 0])
})
