import type { Refusal } from './refusals.ts'

/** Failures whose text is kept; all of them are counted. */
const KEPT_FAILURES = 50

/** Figures of one kind of call. Times are of the attempt that was served, in milliseconds. */
export interface KindFigures {
  readonly kind: string
  readonly calls: number
  readonly failures: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

interface Kind {
  readonly times: number[]
  failures: number
}

/** Counts what the clients saw. */
export class Tally {
  /** Texts of the first failures. */
  readonly failures: string[] = []
  readonly refusals = new Map<string, number>()
  /** Refusals that did not say when to come back. */
  vagueRefusals = 0
  failed = 0
  /** Longest time that one call was refused again and again before it was served. */
  longestRefusedMs = 0
  readonly #kinds = new Map<string, Kind>()
  /** Served calls by user. */
  readonly #byUser = new Map<string, number>()

  served(kind: string, user: string, ms: number, refusedMs: number): void {
    this.#kind(kind).times.push(ms)
    this.#byUser.set(user, (this.#byUser.get(user) ?? 0) + 1)
    this.longestRefusedMs = Math.max(this.longestRefusedMs, refusedMs)
  }

  refused({ code, retryAfterMs }: Refusal): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1)
    if (retryAfterMs === undefined) this.vagueRefusals++
  }

  fail(kind: string, text: string): void {
    this.failed++
    this.#kind(kind).failures++
    if (this.failures.length < KEPT_FAILURES) this.failures.push(`${kind}: ${text}`)
  }

  get calls(): number {
    let calls = 0
    for (const { times } of this.#kinds.values()) calls += times.length
    return calls
  }

  get refusedInAll(): number {
    let refused = 0
    for (const count of this.refusals.values()) refused += count
    return refused
  }

  /** Served calls of the user who got fewest, and of the one who got most. */
  get spread(): { readonly fewest: number; readonly most: number } {
    const counts = [...this.#byUser.values()]
    return { fewest: Math.min(...counts), most: Math.max(...counts) }
  }

  get kinds(): readonly KindFigures[] {
    return [...this.#kinds].map(([kind, { times, failures }]) => ({
      kind,
      calls: times.length,
      failures,
      ...percentiles(times),
    }))
  }

  #kind(kind: string): Kind {
    const known = this.#kinds.get(kind)
    if (known) return known
    const made: Kind = { times: [], failures: 0 }
    this.#kinds.set(kind, made)
    return made
  }
}

/** Of times in milliseconds; NaN without any. */
export function percentiles(times: readonly number[]): Pick<KindFigures, 'p50Ms' | 'p95Ms' | 'p99Ms' | 'maxMs'> {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), maxMs: at(1) }
}
