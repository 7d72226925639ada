import { codeOf } from '../errors/sandbox-error.ts'
import { abortable } from '../lib/abort.ts'

/** One thing that must work for calls to succeed. Rejects with what is wrong; the signal fires at its deadline. */
export type ReadinessCheck = (signal: AbortSignal) => Promise<void>

/** What was found: "ok" or an error code for each check, by its name. */
export interface ReadinessReport {
  readonly ready: boolean
  readonly checks: Readonly<Record<string, string>>
}

export interface ReadinessTimes {
  /** When a check has failed, in milliseconds: a probe gives up after a few seconds, and must have its answer before. */
  readonly deadlineMs: number
  /** How long an answer holds, in milliseconds from its end: whoever asks more often costs the engine nothing. */
  readonly holdMs: number
}

const TIMES: ReadinessTimes = { deadlineMs: 2000, holdMs: 1000 }

/**
 * Whether the server can serve calls right now. It is asked without a credential, so all who ask at once share one look, and one look's
 * answer holds for a moment: a flood of probes asks the engine no more than once a second. A failure is told by its code alone, since the text of an error
 * may name addresses of the host.
 */
export class Readiness {
  readonly #checks: Readonly<Record<string, ReadinessCheck>>
  readonly #warnings: Readonly<Record<string, ReadinessCheck>>
  readonly #times: ReadinessTimes
  #look: Promise<ReadinessReport> | undefined
  /** Infinity while the look is under way. */
  #endedAtMs = 0

  /** `warnings` are told with the checks, and do not make the server unready. */
  constructor(
    checks: Readonly<Record<string, ReadinessCheck>>,
    warnings: Readonly<Record<string, ReadinessCheck>> = {},
    times = TIMES,
  ) {
    this.#checks = checks
    this.#warnings = warnings
    this.#times = times
  }

  report(): Promise<ReadinessReport> {
    if (!this.#look || performance.now() - this.#endedAtMs >= this.#times.holdMs) {
      this.#endedAtMs = Infinity
      this.#look = this.#lookNow().finally(() => (this.#endedAtMs = performance.now()))
    }
    return this.#look
  }

  async #lookNow(): Promise<ReadinessReport> {
    const signal = AbortSignal.timeout(this.#times.deadlineMs)
    const found = await Promise.all(
      Object.entries({ ...this.#checks, ...this.#warnings }).map(
        async ([name, check]) => [name, await outcomeOf(check, signal)] as const,
      ),
    )
    const ready = found.every(([name, outcome]) => outcome === 'ok' || !(name in this.#checks))
    return { ready, checks: Object.fromEntries(found) }
  }
}

async function outcomeOf(check: ReadinessCheck, signal: AbortSignal): Promise<string> {
  try {
    // Also a check that does not heed its signal is answered in time.
    await abortable(check(signal), signal)
    return 'ok'
  } catch (error) {
    return signal.aborted ? 'timeout' : codeOf(error)
  }
}
