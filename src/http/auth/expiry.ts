/** The clock is looked at so often: it may be set, and a timer does not count the time that a machine was asleep. */
const MAX_TIMER_MS = 60_000

/** The signal of a credential: fires at its time, in milliseconds since the epoch (within a minute when the clock was set), or when it is ended before. */
export class Expiry {
  readonly #controller = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor(at: number | undefined) {
    if (at !== undefined) this.#arm(at)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#controller.abort()
  }

  #arm(at: number): void {
    const left = at - Date.now()
    if (left <= 0) this.end()
    else this.#timer = setTimeout(() => this.#arm(at), Math.min(left, MAX_TIMER_MS)).unref()
  }
}
