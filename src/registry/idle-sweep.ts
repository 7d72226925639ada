import { type Entries, type Entry, mayBeEvicted } from './entries.ts'

export interface IdleSweepDeps {
  readonly entries: Entries
  /** The shortest idle time after which any user's sandbox is put to sleep, in milliseconds; 0: none ever is. */
  readonly shortestIdleMs: number
  /** Puts one to sleep if nobody used it for so long; resolves to whether it did. */
  readonly evict: (entry: Entry, minIdleMs: number) => Promise<boolean>
}

/** The idle clock is looked at this often: a fraction of the timeout, within these bounds, in milliseconds. */
const SWEEP_SHARE = 4
const MIN_SWEEP_MS = 250
const MAX_SWEEP_MS = 30_000

/** Puts to sleep what nobody uses, again and again until it is stopped. */
export class IdleSweep {
  readonly #deps: IdleSweepDeps
  readonly #timer: NodeJS.Timeout | undefined

  constructor(deps: IdleSweepDeps) {
    this.#deps = deps
    if (deps.shortestIdleMs === 0) return
    const everyMs = Math.min(MAX_SWEEP_MS, Math.max(MIN_SWEEP_MS, deps.shortestIdleMs / SWEEP_SHARE))
    this.#timer = setInterval(() => void this.#sweep(), everyMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #sweep(): Promise<void> {
    const { entries, evict } = this.#deps
    const idle = [...entries].filter((entry) => mayBeEvicted(entry) && isIdle(entry))
    await Promise.all(idle.map((entry) => evict(entry, entry.profile.idleTimeoutMs)))
    for (const { identity, link } of idle) {
      if (!link.isConnected && !link.isStarting && link.leases === 0) entries.delete(identity)
    }
  }
}

function isIdle({ link, profile: { idleTimeoutMs } }: Entry): boolean {
  return idleTimeoutMs > 0 && link.idleMs >= idleTimeoutMs
}
