/** In milliseconds. */
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

/** How long to wait before a slot is tried again: twice as long after each failure in a row, so that a broken engine or image costs next to nothing. */
export class RefillPause {
  #failures = 0
  #until = 0
  #timer: NodeJS.Timeout | undefined
  readonly #onEnd: () => void

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
  }

  get isOver(): boolean {
    return performance.now() >= this.#until
  }

  succeeded(): void {
    this.#failures = 0
  }

  failed(): void {
    this.atLeast(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures++))
  }

  /** Pauses for other reasons than a failure. */
  atLeast(ms: number): void {
    this.#until = Math.max(this.#until, performance.now() + ms)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      // Timers may be early by a part of a millisecond.
      this.#until = 0
      this.#onEnd()
    }, this.#until - performance.now()).unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#until = Infinity
  }
}
