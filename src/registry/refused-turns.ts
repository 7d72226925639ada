/** Users that are remembered at once; who was refused longest ago goes first. */
const MAX_USERS = 10_000

interface Turn {
  readonly sinceMs: number
  readonly untilMs: number
}

/**
 * Since when users who were refused a place have asked for one, so that who comes again as told goes before those who came later, and nobody who
 * is patient is refused for ever. Kept for a while only, and bounded: nobody has to come again.
 */
export class RefusedTurns {
  readonly #keepMs: number
  readonly #now: () => number
  /** By the user's hash; the order is that of their ends. */
  readonly #turns = new Map<string, Turn>()

  /**
   * @param keepMs how long after a refusal the turn is kept, in milliseconds
   * @param now a clock that only goes forward, in milliseconds
   */
  constructor(keepMs: number, now: () => number = () => performance.now()) {
    this.#keepMs = keepMs
    this.#now = now
  }

  /** Users that are remembered. */
  get size(): number {
    return this.#turns.size
  }

  /** The user, who has asked since `sinceMs`, was refused. */
  keep(userHash: string, sinceMs: number): void {
    const now = this.#now()
    this.#turns.delete(userHash)
    this.#turns.set(userHash, { sinceMs, untilMs: now + this.#keepMs })
    for (const [oldest, { untilMs }] of this.#turns) {
      if (this.#turns.size <= MAX_USERS && untilMs > now) break
      this.#turns.delete(oldest)
    }
  }

  /** Since when the user has asked; undefined when they were not refused, or came too late. */
  since(userHash: string): number | undefined {
    const turn = this.#turns.get(userHash)
    return turn && turn.untilMs > this.#now() ? turn.sinceMs : undefined
  }

  /** The user has a place. */
  forget(userHash: string): void {
    this.#turns.delete(userHash)
  }
}
