import { SandboxError } from '../errors/sandbox-error.ts'
import type { EvictionReason, Telemetry } from '../lib/telemetry.ts'
import { formatDuration } from '../lib/units.ts'
import type { CallPlace } from './admission.ts'
import { type Entries, type Entry, mayBeEvicted, placesOf } from './entries.ts'
import { rulesOf } from './modes/user-profile.ts'
import { RefusedTurns } from './refused-turns.ts'

export interface RoomDeps {
  readonly entries: Entries
  /** Containers that this server may hold at once, frozen ones included. */
  readonly maxRunning: number
  /** How long a call waits for a place, in milliseconds. */
  readonly queueTimeoutMs: number
  /** Puts one to sleep unless somebody uses it; resolves to whether it did. */
  readonly evict: (entry: Entry, reason: EvictionReason) => Promise<boolean>
  readonly telemetry: Telemetry
}

export interface EnterOptions {
  readonly signal?: AbortSignal | undefined
  /** That of the call, lent to others while it waits. */
  readonly place?: CallPlace | undefined
}

/** A call that waits for a place for its user's sandbox. */
interface Waiting {
  /** Its time is up: it is refused unless the round of evictions that is under way makes room for it. */
  isOverdue: boolean
  admit(): void
  refuse(): void
}

/** The calls of one user that wait. */
interface Turn {
  /** When the user asked first: by this clock users have their turns. */
  readonly sinceMs: number
  readonly calls: Set<Waiting>
}

/** While somebody waits, what only a supervisor knows (a command has ended) is asked for this often, in milliseconds. */
const ASK_AGAIN_MS = 500

/**
 * The places of this server's running sandboxes. At the limit the sandbox that was idle longest goes to sleep; where none is idle, users
 * wait in the order in which they came, one place for a user however many calls they send, until one has ended its work. Who is refused because
 * it took too long, and comes again, has kept their turn.
 *
 * What waits here holds no lease and no call's place, so that nothing that it waits for can wait for it.
 */
export class Room {
  readonly #deps: RoomDeps
  /** By user, in the order of their turns. */
  readonly #queue = new Map<Entry, Turn>()
  readonly #refused: RefusedTurns
  #isMaking = false
  #timer: NodeJS.Timeout | undefined

  constructor(deps: RoomDeps) {
    this.#deps = deps
    this.#refused = new RefusedTurns(2 * retryAfterMs(deps))
  }

  /** Users who wait. */
  get waiting(): number {
    return this.#queue.size
  }

  /** Places that are taken. */
  get taken(): number {
    let taken = 0
    for (const entry of this.#deps.entries) taken += placesOf(entry)
    return taken
  }

  /** True when one more sandbox may run, and nobody waits for that. */
  get hasSpare(): boolean {
    return this.#queue.size === 0 && this.taken < this.#deps.maxRunning
  }

  isWaiting(entry: Entry): boolean {
    return this.#queue.has(entry)
  }

  /**
   * Takes a lease on the user's sandbox as soon as it has a place, or may have one. Gives no promise when that is at once, as it is for every
   * call of a sandbox that runs. Rejects with `sandbox_limit` when no place becomes free in time, or with the signal's reason.
   */
  enter(entry: Entry, { signal, place }: EnterOptions): Promise<void> | undefined {
    const { link } = entry
    if (this.#keepsPlace(entry)) {
      link.addLease()
      return undefined
    }
    if (this.#queue.size === 0 && this.#isRoomFor(entry)) {
      this.#refused.forget(entry.identity.userHash)
      link.addLease()
      return undefined
    }
    const wait = () => this.#wait(entry, signal)
    return place ? place.lend(wait) : wait()
  }

  /** To be told when a place may have become free. */
  onLessUse(): void {
    if (this.#queue.size === 0) return
    this.#admit()
    void this.#makeRoom()
  }

  /** Puts the sandbox to sleep that was idle longest, of those that nobody uses; resolves to whether there was one. */
  async evictLongestIdle(reason: EvictionReason): Promise<boolean> {
    for (const entry of this.#idle()) if (await this.#deps.evict(entry, reason)) return true
    return false
  }

  #isRoomFor(entry: Entry): boolean {
    if (this.#keepsPlace(entry)) return true
    let taken = 0
    for (const other of this.#deps.entries) if (other !== entry || other.calls) taken += placesOf(other)
    return taken < this.#deps.maxRunning
  }

  /** True for a user who needs no further place: of those with a container for each call, when one is ready. */
  #keepsPlace({ link, calls, profile }: Entry): boolean {
    if (!rulesOf(profile).takesPlace) return true
    return calls ? calls.hasStandby : link.keepsPlace
  }

  #idle(): Entry[] {
    return [...this.#deps.entries]
      .filter((entry) => mayBeEvicted(entry) && canSleep(entry))
      .sort((a, b) => b.link.idleMs - a.link.idleMs)
  }

  /** Who waits longest comes first; nobody overtakes. Who only waited for an eviction that was refused has had a place all the time. */
  #admit(): void {
    let isBlocked = false
    for (const [entry, { calls }] of this.#queue) {
      if (!entry.link.keepsPlace) isBlocked ||= !this.#isRoomFor(entry)
      if (isBlocked && !entry.link.keepsPlace) continue
      for (const call of calls) {
        // Counted before the call goes on, so that nobody takes the place in between.
        entry.link.addLease()
        call.admit()
      }
    }
  }

  #wait(entry: Entry, signal: AbortSignal | undefined): Promise<void> {
    const { queueTimeoutMs, telemetry } = this.#deps
    const { userHash } = entry.identity
    const refused = this.#refused
    const since = performance.now()
    return new Promise((resolve, reject) => {
      const { sinceMs, calls } = this.#turnOf(entry)
      const leave = (): void => {
        clearTimeout(deadline)
        signal?.removeEventListener('abort', onAbort)
        calls.delete(call)
        if (calls.size === 0) this.#queue.delete(entry)
      }
      const call: Waiting = {
        isOverdue: false,
        admit() {
          leave()
          refused.forget(userHash)
          telemetry.roomWaited(performance.now() - since)
          resolve()
        },
        refuse: () => {
          leave()
          refused.keep(userHash, sinceMs)
          telemetry.callRefused('no_room')
          reject(this.#full())
        },
      }
      const onAbort = (): void => {
        leave()
        reject(signal?.reason as unknown)
      }
      const deadline = setTimeout(() => {
        if (this.#isMaking) call.isOverdue = true
        else call.refuse()
      }, queueTimeoutMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      calls.add(call)
      this.onLessUse()
    })
  }

  /** The user's turn in the queue, which is a new one unless they wait already, or were refused lately. */
  #turnOf(entry: Entry): Turn {
    const waiting = this.#queue.get(entry)
    if (waiting) return waiting
    const keptMs = this.#refused.since(entry.identity.userHash)
    const turn = { sinceMs: keptMs ?? performance.now(), calls: new Set<Waiting>() }
    const later = keptMs === undefined ? [] : [...this.#queue].filter(([, { sinceMs }]) => sinceMs > keptMs)
    this.#queue.set(entry, turn)
    for (const [other, theirs] of later) {
      this.#queue.delete(other)
      this.#queue.set(other, theirs)
    }
    return turn
  }

  /** Evicts as many as there are users waiting, longest idle first, and asks again as long as somebody waits. */
  async #makeRoom(): Promise<void> {
    if (this.#isMaking) return
    this.#isMaking = true
    try {
      for (const entry of this.#idle()) {
        if (this.#queue.size === 0) break
        // An eviction that ended tells, and whoever waits longest has the place by now.
        await this.#deps.evict(entry, 'room')
      }
    } finally {
      this.#isMaking = false
    }
    this.#admit()
    for (const { calls } of this.#queue.values()) for (const call of calls) if (call.isOverdue) call.refuse()
    clearTimeout(this.#timer)
    if (this.#queue.size > 0) this.#timer = setTimeout(() => this.onLessUse(), ASK_AGAIN_MS).unref()
  }

  #full(): SandboxError {
    const { maxRunning, queueTimeoutMs } = this.#deps
    const afterMs = retryAfterMs(this.#deps)
    return new SandboxError(
      'sandbox_limit',
      `All ${maxRunning} sandboxes that may run here at once are in use, and none became free within ${formatDuration(queueTimeoutMs)}.`,
      { hint: `Call again in ${formatDuration(afterMs)}.`, retryAfterMs: afterMs },
    )
  }
}

/** By then those who wait now have their place or their refusal. In milliseconds. */
function retryAfterMs({ queueTimeoutMs }: RoomDeps): number {
  return Math.max(1000, queueTimeoutMs)
}

/** True when putting it to sleep, if its supervisor agrees, makes a place free. */
function canSleep({ link, calls }: Entry): boolean {
  return link.leases === 0 && (calls ? calls.hasStandby : link.isConnected)
}
