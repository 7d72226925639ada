import type { Logger } from '../lib/logger.ts'

export interface ImageJanitorOptions {
  /** Removes what is of no use; see {@link pruneImages}. */
  readonly prune: () => Promise<unknown>
  readonly logger: Logger
  /** Milliseconds from the start of the server to the first round: the first calls need the machine more. */
  readonly firstMs?: number
  readonly everyMs?: number
}

const FIRST_MS = 60_000
const EVERY_MS = 24 * 60 * 60_000

/**
 * Prunes images in the background of a server: a while after its start, once a day, and after each build. An engine that is down is a
 * warning; the next round tries again.
 */
export class ImageJanitor {
  readonly #options: ImageJanitorOptions
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined

  constructor(options: ImageJanitorOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer ??= this.#after(this.#options.firstMs ?? FIRST_MS)
  }

  /** A runtime was built, so that another image may be superseded. Nothing happens before `start`. */
  built(): void {
    if (this.#timer) void this.#prune()
  }

  /** Begins no further round; resolves when none is under way. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#round
  }

  #after(ms: number): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timer = this.#after(this.#options.everyMs ?? EVERY_MS)
      void this.#prune()
    }, ms)
    // A server without clients ends, round or not.
    return timer.unref()
  }

  #prune(): Promise<void> {
    this.#round ??= this.#options
      .prune()
      .then(
        () => {},
        (error: unknown) => this.#options.logger.warn({ err: error }, 'old images could not be removed'),
      )
      .finally(() => (this.#round = undefined))
    return this.#round
  }
}
