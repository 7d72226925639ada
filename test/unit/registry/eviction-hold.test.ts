import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { HOLD_MS, underHold } from '../../../src/registry/eviction-hold.ts'
import { deferred } from '../../../src/lib/deferred.ts'

const ANSWER_MS = 100

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A supervisor that keeps the time until which it is held. */
function supervisor(isIdle = true) {
  let heldUntil = 0
  return {
    get isHeld() {
      return performance.now() < heldUntil
    },
    quiesce: vi.fn<(minIdleMs: number, holdMs: number) => Promise<{ ok: boolean; idleMs: number }>>(
      (_minIdleMs, holdMs) => {
        if (isIdle) heldUntil = performance.now() + holdMs
        return Promise.resolve({ ok: isIdle, idleMs: 0 })
      },
    ),
  }
}

test('a sandbox stays held as long as the work on it lasts, however long that is', async () => {
  const client = supervisor()
  const work = deferred<void>()
  const held = underHold(client, 5000, ANSWER_MS, () => work.promise)
  for (let at = 0; at < 60; at++) {
    await vi.advanceTimersByTimeAsync(500)
    expect(client.isHeld).toBe(true)
  }
  work.resolve()
  expect(await held).toBe(true)
  expect(client.quiesce.mock.calls[0]?.[0]).toBe(5000)
})

test('a hold ends a few seconds after the server that took it', async () => {
  const client = supervisor()
  void underHold(client, 0, ANSWER_MS, () => new Promise(() => {}))
  await vi.advanceTimersByTimeAsync(10_000)
  // The server is killed: it asks no more.
  client.quiesce.mockReturnValue(new Promise(() => {}))
  await vi.advanceTimersByTimeAsync(HOLD_MS)
  expect(client.isHeld).toBe(false)
  expect(HOLD_MS).toBeLessThan(5000)
})

test('a sandbox in use is left alone', async () => {
  const work = vi.fn<() => Promise<void>>(() => Promise.resolve())
  expect(await underHold(supervisor(false), 0, ANSWER_MS, work)).toBe(false)
  expect(work).not.toHaveBeenCalled()
})

test('work that fails ends the renewals, and says why', async () => {
  const client = supervisor()
  await expect(underHold(client, 0, ANSWER_MS, () => Promise.reject(new Error('the engine is gone')))).rejects.toThrow(
    'the engine is gone',
  )
  await vi.advanceTimersByTimeAsync(10_000)
  expect(client.quiesce).toHaveBeenCalledTimes(1)
})

test('a renewal that is not answered is of no consequence: the removal takes the supervisor with it', async () => {
  const client = supervisor()
  const work = deferred<void>()
  const held = underHold(client, 0, ANSWER_MS, () => work.promise)
  client.quiesce.mockRejectedValue(new Error('the connection was lost'))
  await vi.advanceTimersByTimeAsync(5000)
  work.resolve()
  expect(await held).toBe(true)
})
