/** Two sandboxes whose bridges hang within this time of each other, in milliseconds, are hardly stuck each for its own reason. */
const TOGETHER_MS = 60_000
/** After so long it is each sandbox's own matter after all: two users can have brought theirs to a halt. In milliseconds. */
const PATIENCE_MS = 120_000

interface Hang {
  readonly sinceMs: number
  lastMs: number
}

/**
 * Tells an engine that starts no programs from a sandbox that is stuck. An engine can answer every question and yet start nothing: its parts are
 * several processes. Then the bridges into *all* sandboxes hang, and ending their processes would help nobody. So while bridges into
 * more than one sandbox hang, and none was opened since, it is taken for the engine's fault, and nobody's sandbox is touched, for a while.
 */
export class HungBridges {
  readonly #now: () => number
  readonly #hangs = new Map<string, Hang>()

  /** @param now a clock that only goes forward, in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** A bridge into the container was opened: the engine starts programs. */
  opened(): void {
    this.#hangs.clear()
  }

  /** A bridge into the container hung. True when that looks like the engine's fault. */
  hung(containerId: string): boolean {
    const now = this.#now()
    for (const [id, { lastMs }] of this.#hangs) if (now - lastMs > TOGETHER_MS) this.#hangs.delete(id)
    const hang = this.#hangs.get(containerId) ?? { sinceMs: now, lastMs: now }
    hang.lastMs = now
    this.#hangs.set(containerId, hang)
    return this.#hangs.size > 1 && now - hang.sinceMs < PATIENCE_MS
  }
}
