import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import { formatDuration } from '../../lib/units.ts'

/** How long a sandbox is left alone after everything failed: doubled each time, in milliseconds. */
const FIRST_MS = 10_000
const MAX_MS = 5 * 60_000
/** Users that are remembered at once; the oldest go first. */
const MAX_USERS = 10_000

interface Mark {
  readonly untilMs: number
  readonly pauseMs: number
}

/**
 * Users whose sandbox could not be brought back by anything. For a while their calls fail at once and say when to come back, so that one broken
 * sandbox does not keep the engine busy with containers that do not work; then it is tried again.
 */
export class DegradedUsers {
  readonly #now: () => number
  readonly #marks = new Map<string, Mark>()

  /** @param now a clock that only goes forward, in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Runs a start of the user's sandbox, unless the user is marked: then `sandbox_unavailable`, at once. */
  async guard<T>(userHash: string, start: () => Promise<T>): Promise<T> {
    const mark = this.#marks.get(userHash)
    const leftMs = mark === undefined ? 0 : mark.untilMs - this.#now()
    if (leftMs > 0) throw unavailable(leftMs)
    try {
      const started = await start()
      this.#marks.delete(userHash)
      return started
    } catch (error) {
      if (!isSandboxError(error, 'sandbox_unavailable')) throw error
      const pauseMs = mark ? Math.min(mark.pauseMs * 2, MAX_MS) : FIRST_MS
      this.#mark(userHash, pauseMs)
      throw unavailable(pauseMs, error)
    }
  }

  /** The user asked for a new start: the next one is tried at once. */
  forget(userHash: string): void {
    this.#marks.delete(userHash)
  }

  #mark(userHash: string, pauseMs: number): void {
    this.#marks.delete(userHash)
    this.#marks.set(userHash, { untilMs: this.#now() + pauseMs, pauseMs })
    const [oldest] = this.#marks.keys()
    if (this.#marks.size > MAX_USERS && oldest !== undefined) this.#marks.delete(oldest)
  }
}

function unavailable(retryAfterMs: number, cause?: SandboxError): SandboxError {
  return new SandboxError('sandbox_unavailable', 'The sandbox does not come to life; everything was tried.', {
    hint: `The files are kept. Call again in ${formatDuration(Math.ceil(retryAfterMs / 1000) * 1000)}; if it persists, tell the operator.`,
    retryAfterMs,
    ...(cause ? { cause, details: cause.details } : {}),
  })
}
