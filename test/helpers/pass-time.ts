import { vi } from 'vitest'

const STEP_MS = 500

/** Lets what is due in this turn of the event loop, and what follows from it, happen. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** With fake timers: lets time pass until the promise is settled. */
export async function passTime<T>(promise: Promise<T>): Promise<T> {
  const end = new AbortController()
  promise.then(
    () => end.abort(),
    () => end.abort(),
  )
  while (!end.signal.aborted) {
    await settle()
    vi.advanceTimersByTime(STEP_MS)
  }
  return await promise
}
