import { type Entries, type Entry, mayBeEvicted } from './entries.ts'
import { dueStep } from './ladder.ts'

export interface IdleSweepDeps {
  readonly entries: Entries
  /** Idle time after which a sandbox is frozen, in milliseconds; 0: never. */
  readonly freezeAfterMs: number
  /** The shortest idle time after which any user's sandbox is put to sleep, in milliseconds; 0: none ever is. */
  readonly shortestIdleMs: number
  /** Stops its processes if nobody used it for so long; resolves to whether it did. */
  readonly freeze: (entry: Entry, minIdleMs: number) => Promise<boolean>
  /** Puts one to sleep if nobody used it for so long; resolves to whether it did. */
  readonly evict: (entry: Entry, minIdleMs: number) => Promise<boolean>
  /** True for an entry that a call waits with. */
  readonly isWanted: (entry: Entry) => boolean
}

/** The idle clock is looked at this often: a fraction of the shortest time, within these bounds, in milliseconds. */
const SWEEP_SHARE = 4
const MIN_SWEEP_MS = 250
const MAX_SWEEP_MS = 30_000

/** Takes what nobody uses down the ladder, again and again until it is stopped. */
export class IdleSweep {
  readonly #deps: IdleSweepDeps
  readonly #timer: NodeJS.Timeout | undefined

  constructor(deps: IdleSweepDeps) {
    this.#deps = deps
    const times = [deps.freezeAfterMs, deps.shortestIdleMs].filter((ms) => ms > 0)
    if (times.length === 0) return
    const everyMs = Math.min(MAX_SWEEP_MS, Math.max(MIN_SWEEP_MS, Math.min(...times) / SWEEP_SHARE))
    this.#timer = setInterval(() => void this.#sweep(), everyMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #sweep(): Promise<void> {
    const { entries, isWanted } = this.#deps
    const idle = [...entries].filter((entry) => mayBeEvicted(entry) && entry.link.leases === 0)
    await Promise.all(idle.map((entry) => this.#step(entry)))
    for (const entry of idle) {
      const { identity, link, calls } = entry
      if (calls?.hasStandby !== true && !link.takesPlace && !link.isChanging && !isWanted(entry))
        entries.delete(identity)
    }
  }

  async #step(entry: Entry): Promise<void> {
    const { freezeAfterMs, freeze, evict } = this.#deps
    const { link, profile } = entry
    const times = { freeze: freezeAfterMs, evict: profile.idleTimeoutMs, archive: 0 }
    const step = link.rung && dueStep(link.rung, link.idleMs, times)
    if (step?.to === 'evicted') await evict(entry, times.evict)
    else if (step?.to === 'frozen') await freeze(entry, times.freeze)
  }
}
