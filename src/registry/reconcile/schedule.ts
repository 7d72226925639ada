import type { Logger } from '../../lib/logger.ts'

export interface ScheduleDeps {
  /** One look. Resolves to the milliseconds until the next is wanted; undefined: the usual time. */
  readonly look: () => Promise<number | undefined>
  readonly logger: Logger
}

/** The usual time between two looks, in milliseconds. */
const EVERY_MS = 60_000
/** Of each pause, so much more or less: servers that were started at once do not ask an engine at once for ever. */
const JITTER = 0.2
/** From something that makes a look worth while to the look, in milliseconds: what happens together is looked at together. */
const SOON_MS = 2000
/** After a look that failed, in milliseconds: doubled each time up to the usual time. An engine that comes back is seen soon. */
const FIRST_RETRY_MS = 2000

/** Looks at once, then again and again, and sooner when it is told to; never twice at the same time. Keeps no process alive. */
export class Schedule {
  readonly #deps: ScheduleDeps
  #timer: NodeJS.Timeout | undefined
  #dueAtMs = Infinity
  #looking: Promise<void> | undefined
  #isWanted = false
  #failures = 0
  #stopped = false

  constructor(deps: ScheduleDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#begin()
  }

  /** Asks for a look within seconds; while one is under way, for another after it. */
  soon(): void {
    if (this.#looking) this.#isWanted = true
    else if (this.#timer) this.#wait(SOON_MS)
  }

  /** No look begins any more, and what becomes of the one under way is not told. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** Never later than what is waited for already. */
  #wait(ms: number): void {
    const jittered = ms * (1 - JITTER + 2 * JITTER * Math.random())
    const dueAtMs = performance.now() + jittered
    if (this.#stopped || dueAtMs >= this.#dueAtMs) return
    clearTimeout(this.#timer)
    this.#dueAtMs = dueAtMs
    this.#timer = setTimeout(() => this.#begin(), jittered)
    this.#timer.unref()
  }

  #begin(): void {
    this.#timer = undefined
    this.#dueAtMs = Infinity
    this.#isWanted = false
    this.#looking = this.#look().then((nextMs) => {
      this.#looking = undefined
      this.#wait(this.#isWanted ? SOON_MS : nextMs)
    })
  }

  async #look(): Promise<number> {
    try {
      const wantedMs = await this.#deps.look()
      this.#failures = 0
      return wantedMs ?? EVERY_MS
    } catch (error) {
      if (!this.#stopped) this.#deps.logger.warn({ err: error }, 'a look at the engine failed')
      return Math.min(EVERY_MS, FIRST_RETRY_MS * 2 ** this.#failures++)
    }
  }
}
