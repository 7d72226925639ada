import { SandboxError } from '../errors/sandbox-error.ts'
import type { Telemetry } from '../lib/telemetry.ts'
import { formatDuration } from '../lib/units.ts'

export interface AdmissionOptions {
  /** Calls of all users that may run at once. */
  readonly maxCalls: number
  /** Calls of one user that may run at once. */
  readonly maxCallsPerUser: number
  /** How long a call may wait for its place, in milliseconds. */
  readonly queueTimeoutMs: number
  readonly telemetry: Telemetry
}

/** A call in the queue. */
interface Waiting {
  admit(): void
  refuse(error: SandboxError): void
}

/** The calls of one user. It is forgotten with the last of them. */
interface UserCalls {
  readonly user: string
  running: number
  /** First come, first served. */
  readonly waiting: Set<Waiting>
}

/** Calls that may wait, and calls that may lend their place, as a multiple of those that may run: what waits holds its arguments in memory. */
const QUEUE_FACTOR = 2

/** The place of a call that runs. */
export interface CallPlace {
  /**
   * Waits for something that other users' calls have to bring about, while one of them has the place. Afterwards the call goes on at
   * once, if need be as one more than the cap: were it to queue again, it would keep what it waited for from others meanwhile.
   */
  lend<T>(wait: () => Promise<T>): Promise<T>
}

/**
 * Bounds how many calls run at once, of one user and in all, so that a user who sends hundreds (a loop gone wild, or an attack)
 * neither takes the server's memory nor the other users' turn. A call beyond the caps waits; the users who wait take turns, one call
 * each, so that nobody's queue delays another by more than one call per waiting user. When the queue is full, the newest call of the
 * longest of its users' queues goes (as RFC 8290 drops from the fattest flow), so that a full queue is nobody's to take either.
 *
 * It cannot deadlock with the registry: a call that waits for a running sandbox's end lends its place meanwhile, so that the calls which
 * may end one (another user's `process_write`, say) find one.
 *
 * Why not a library: p-queue, p-limit and fastq know one queue and one cap; p-key-limit has queues by key, but no cap over all; a
 * bottleneck Group chained to a limiter has both, but the limiter serves first come, first served, which is what a flood needs.
 */
export class Admission {
  readonly #options: AdmissionOptions
  /** That of every call: what differs between them is in what they wait for. */
  readonly #place: CallPlace = { lend: (wait) => this.#lend(wait) }
  readonly #users = new Map<string, UserCalls>()
  /** Who waits and is below their own cap, in the order of their turns. A place is free only when this is empty. */
  readonly #turns = new Set<UserCalls>()
  #running = 0
  #waiting = 0
  /** Calls that wait elsewhere while others use their places. They count for their user's cap. */
  #lent = 0

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /** Calls that run now. */
  get running(): number {
    return this.#running
  }

  /** Calls that wait for their place. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * Does the work as soon as there is a place for it: below the caps in the same turn of the event loop, without a timer or a promise
   * before it. Rejects with `sandbox_limit` when there is none in time, or with the signal's reason when it fires before the work has begun;
   * what the signal does to the work is the work's own matter.
   */
  async run<T>(user: string, signal: AbortSignal | undefined, work: (place: CallPlace) => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    const calls = this.#callsOf(user)
    if (this.#running < this.#options.maxCalls && !this.#isAtCap(calls)) this.#admit(calls)
    else await this.#wait(calls, signal)
    try {
      signal?.throwIfAborted()
      return await work(this.#place)
    } finally {
      this.#release(calls)
    }
  }

  async #lend<T>(wait: () => Promise<T>): Promise<T> {
    // What is lent is held in memory, too; beyond this a call keeps its place while it waits.
    if (this.#lent >= this.#options.maxCalls * QUEUE_FACTOR) return await wait()
    this.#lent++
    this.#running--
    this.#giveTurns()
    try {
      return await wait()
    } finally {
      this.#lent--
      this.#running++
    }
  }

  #callsOf(user: string): UserCalls {
    const known = this.#users.get(user)
    if (known) return known
    const calls: UserCalls = { user, running: 0, waiting: new Set() }
    this.#users.set(user, calls)
    return calls
  }

  #isAtCap({ running }: UserCalls): boolean {
    return running >= this.#options.maxCallsPerUser
  }

  #admit(calls: UserCalls): void {
    calls.running++
    this.#running++
  }

  #release(calls: UserCalls): void {
    calls.running--
    this.#running--
    if (calls.waiting.size > 0) this.#turns.add(calls)
    this.#giveTurns()
    this.#forgetIdle(calls)
  }

  #giveTurns(): void {
    while (this.#running < this.#options.maxCalls && this.#turns.size > 0) this.#giveTurn()
  }

  /** The place goes to the oldest call of the user whose turn it is; who still waits goes to the end. */
  #giveTurn(): void {
    for (const calls of this.#turns) {
      this.#turns.delete(calls)
      for (const call of calls.waiting) {
        // Counted before the call goes on, so that nobody takes the place in between.
        this.#admit(calls)
        call.admit()
        break
      }
      if (calls.waiting.size > 0 && !this.#isAtCap(calls)) this.#turns.add(calls)
      return
    }
  }

  /** Resolves when the call has its place, which is then counted. */
  #wait(calls: UserCalls, signal: AbortSignal | undefined): Promise<void> {
    const { maxCalls, queueTimeoutMs, telemetry } = this.#options
    if (this.#waiting >= maxCalls * QUEUE_FACTOR && !this.#shorten(calls)) {
      this.#forgetIdle(calls)
      telemetry.callRefused('queue_full')
      throw this.#full()
    }
    const since = performance.now()
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        calls.waiting.delete(call)
        this.#waiting--
        if (calls.waiting.size === 0) this.#turns.delete(calls)
        this.#forgetIdle(calls)
      }
      const call: Waiting = {
        admit() {
          leave()
          telemetry.callWaited(performance.now() - since)
          resolve()
        },
        refuse(error) {
          leave()
          reject(error)
        },
      }
      const onAbort = (): void => {
        leave()
        reject(signal?.reason as unknown)
      }
      const timer = setTimeout(() => {
        telemetry.callRefused('queue_timeout')
        call.refuse(this.#tooLate(calls))
      }, queueTimeoutMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      calls.waiting.add(call)
      this.#waiting++
      if (!this.#isAtCap(calls)) this.#turns.add(calls)
    })
  }

  /** Makes room in the full queue at the cost of whoever has most in it. False when that is the newcomer. */
  #shorten(newcomer: UserCalls): boolean {
    let longest = newcomer
    for (const calls of this.#users.values()) if (calls.waiting.size > longest.waiting.size) longest = calls
    const newest = [...longest.waiting].at(-1)
    if (longest.waiting.size <= newcomer.waiting.size + 1 || !newest) return false
    this.#options.telemetry.callRefused('queue_full')
    newest.refuse(this.#full())
    return true
  }

  #forgetIdle(calls: UserCalls): void {
    if (calls.running === 0 && calls.waiting.size === 0) this.#users.delete(calls.user)
  }

  #full(): SandboxError {
    return this.#refusal('Too many calls wait for the server already.')
  }

  #tooLate(calls: UserCalls): SandboxError {
    const { maxCalls, maxCallsPerUser, queueTimeoutMs } = this.#options
    const waited = formatDuration(queueTimeoutMs)
    return this.#isAtCap(calls)
      ? this.#refusal(
          `You have ${maxCallsPerUser} calls running, the most for one user, and none ended within ${waited}.`,
        )
      : this.#refusal(
          `The server has ${maxCalls} calls running, the most that it takes, and had no turn for this one within ${waited}.`,
        )
  }

  /** What waits now has its place or its refusal by then. */
  #refusal(message: string): SandboxError {
    const { queueTimeoutMs: retryAfterMs } = this.#options
    const hint = `Call again in ${formatDuration(Math.max(1000, retryAfterMs))}, with fewer calls at once.`
    return new SandboxError('sandbox_limit', message, { hint, retryAfterMs })
  }
}
