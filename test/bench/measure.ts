import { setTimeout as delay } from 'node:timers/promises'

/** One thing to measure: `run` does it once. */
export interface Case {
  readonly name: string
  run(): Promise<unknown>
  /** Milliseconds that `run` measured itself, if it did; else the time of the call counts. */
  readonly selfTimed?: boolean
}

export interface Stats {
  readonly name: string
  readonly count: number
  readonly medianMs: number
  readonly p95Ms: number
  readonly minMs: number
}

export interface InterleaveOptions {
  readonly rounds: number
  /** Uncounted rounds before. */
  readonly warmUp?: number
  /** Runs of a case in a row within a round, all counted. */
  readonly inARow?: number
  /** Milliseconds of silence before each case, in which the machine goes idle. */
  readonly pauseMs?: number
  /** Called before each round with its number, negative for uncounted ones. */
  readonly onRound?: (round: number) => void
}

/** Runs the cases in turns, the order rotated each round, so that what else the machine does hits all of them alike. */
export async function interleave(cases: readonly Case[], options: InterleaveOptions): Promise<Stats[]> {
  const { rounds, warmUp = 2, inARow = 1, pauseMs = 0, onRound } = options
  const times = cases.map((): number[] => [])
  for (let round = -warmUp; round < rounds; round++) {
    onRound?.(round)
    for (let step = 0; step < cases.length; step++) {
      const index = (step + Math.max(0, round)) % cases.length
      const each = cases[index]
      if (!each) continue
      if (pauseMs > 0) await delay(pauseMs)
      for (let run = 0; run < inARow; run++) {
        const started = performance.now()
        const own = await each.run()
        const took = each.selfTimed ? Number(own) : performance.now() - started
        if (round >= 0) times[index]?.push(took)
      }
    }
  }
  return cases.map((each, index) => statsOf(each.name, times[index] ?? []))
}

export function statsOf(name: string, times: readonly number[]): Stats {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { name, count: sorted.length, medianMs: at(0.5), p95Ms: at(0.95), minMs: at(0) }
}

/** Runs `work` with `atOnce` in flight for `durationMs`; resolves to the number per second. */
export async function throughput(work: () => Promise<unknown>, atOnce: number, durationMs: number): Promise<number> {
  const started = performance.now()
  let done = 0
  const worker = async () => {
    while (performance.now() - started < durationMs) {
      await work()
      done++
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return done / ((performance.now() - started) / 1000)
}
