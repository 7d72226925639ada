/** The longest that setTimeout waits; it fires at once for more. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** The signal of a credential: fires at its time, in milliseconds since the epoch, or when it is ended before. */
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
