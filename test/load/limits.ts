import type { Sample } from './samples.ts'
import { fitAtEqualLoad, type LoadedPoint, settled } from './slope.ts'

/** One thing that was measured against a limit. */
export interface Finding {
  readonly what: string
  readonly value: number
  readonly limit: number
  readonly unit: string
  /** How far the value may be off by chance. It is held against the limit only as far as chance does not explain it. */
  readonly noise?: number
  /** Shown, and not held against its limit: the run was too short to tell a trend from noise. */
  readonly onlyShown?: boolean
}

export function holds({ value, limit, noise = 0, onlyShown = false }: Finding): boolean {
  return onlyShown || value - noise <= limit
}

/** Below so much measured time, in seconds, the heap of a healthy server goes up and down by more than a leak would show. */
const SHORTEST_TREND = 120

/** Chance moves a slope by more than so many standard errors once in some hundred runs. */
const STANDARD_ERRORS = 3

const MIB_PER_MINUTE = 1
/** Descriptors, timers, containers, volumes: one in ten minutes. */
const COUNT_PER_MINUTE = 0.1
/** A log that grows by less than a line of 200 bytes per call within an hour is constant. */
const LOG_BYTES_PER_CALL_PER_MINUTE = 200 / 60

type Figure = readonly [what: string, of: (sample: Sample, before: Sample) => number, limit: number, unit: string]
const FIGURES: readonly Figure[] = [
  ['heap without replays', ({ heapMiB, replayMiB }) => heapMiB - replayMiB, MIB_PER_MINUTE, 'MiB/min'],
  ['memory outside the heap', ({ outsideMiB }) => outsideMiB, MIB_PER_MINUTE, 'MiB/min'],
  ['open files', ({ fds }) => fds, COUNT_PER_MINUTE, '/min'],
  ['timers', ({ timers }) => timers, COUNT_PER_MINUTE, '/min'],
  ['containers', ({ containers }) => containers, COUNT_PER_MINUTE, '/min'],
  ['volumes', ({ volumes }) => volumes, COUNT_PER_MINUTE, '/min'],
  ['log bytes per call', logBytesPerCall, LOG_BYTES_PER_CALL_PER_MINUTE, 'B/min'],
]

function logBytesPerCall({ logBytes, calls }: Sample, before: Sample): number {
  return (logBytes - before.logBytes) / Math.max(1, calls - before.calls)
}

/**
 * Trends of a run: the slope of each figure over the last two thirds, by minute, at equal load.
 *
 * Memory is judged by what is held, in two parts that nothing escapes: the heap in use after a collection, and all that is outside of the heap. Resident memory as a
 * whole also has pages that V8 keeps for later; those follow the load, not a leak. A session keeps its newest answers for a client whose stream breaks. At a
 * few calls a minute these fill for longer than any run lasts, by more than a leak would show; but servers count them by the memory that they take (a unit
 * test of the event store holds that to the heap), so they are taken off, and what still grows is a leak. One in the replays themselves is found elsewhere:
 * they have a bound, and are gone with their sessions.
 */
export function trends(samples: readonly Sample[]): Finding[] {
  const seconds = (samples.at(-1)?.seconds ?? 0) - (samples[0]?.seconds ?? 0)
  const trend = (
    what: string,
    limit: number,
    unit: string,
    of: (sample: Sample, before: Sample) => number,
  ): Finding => {
    const points = samples.flatMap((sample, at): LoadedPoint[] => {
      const before = samples[at - 1]
      return before ? [{ x: sample.seconds / 60, y: of(sample, before), load: sample.callsInFlight }] : []
    })
    const { slope, error } = fitAtEqualLoad(settled(points))
    const noise = error * STANDARD_ERRORS
    return { what: `slope of ${what}`, value: slope, noise, limit, unit, onlyShown: seconds < SHORTEST_TREND }
  }
  return FIGURES.map(([what, of, limit, unit]) => trend(what, limit, unit, of))
}
