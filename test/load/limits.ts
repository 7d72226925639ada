import { EVENT_LIMITS } from '../../src/transports/event-store.ts'
import type { Sample } from './samples.ts'
import { fitLine, type Point, settled } from './slope.ts'

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

const MEMORY: ReadonlySet<string> = new Set(['resident memory', 'heap in use'])
const FIGURES: readonly (readonly [what: string, of: (sample: Sample) => number, limit: number, unit: string])[] = [
  ['resident memory', ({ rssMiB }) => rssMiB, MIB_PER_MINUTE, 'MiB/min'],
  ['heap in use', ({ heapMiB }) => heapMiB, MIB_PER_MINUTE, 'MiB/min'],
  ['open files', ({ fds }) => fds, COUNT_PER_MINUTE, '/min'],
  ['timers', ({ timers }) => timers, COUNT_PER_MINUTE, '/min'],
  ['containers', ({ containers }) => containers, COUNT_PER_MINUTE, '/min'],
  ['volumes', ({ volumes }) => volumes, COUNT_PER_MINUTE, '/min'],
]

/**
 * Trends of a run: the slope of each figure over the last two thirds, by minute. A session keeps its newest answers for a client whose stream breaks, so that memory
 * grows with the calls until each has all that it may: a slope before that tells of no leak, and memory is judged by what is left at rest alone.
 */
export function trends(samples: readonly Sample[]): Finding[] {
  const seconds = (samples.at(-1)?.seconds ?? 0) - (samples[0]?.seconds ?? 0)
  const trend = (what: string, limit: number, unit: string, points: readonly Point[]): Finding => {
    const { slope, error } = fitLine(settled(points))
    const noise = error * STANDARD_ERRORS
    const onlyShown = seconds < SHORTEST_TREND || (MEMORY.has(what) && !areBuffersFull(samples))
    return { what: `slope of ${what}`, value: slope, noise, limit, unit, onlyShown }
  }
  const logBytesPerCall = samples.slice(1).map((sample, at): Point => {
    const before = samples[at] ?? sample
    const calls = Math.max(1, sample.calls - before.calls)
    return { x: sample.seconds / 60, y: (sample.logBytes - before.logBytes) / calls }
  })
  const figures = FIGURES.map(([what, of, limit, unit]) =>
    trend(
      what,
      limit,
      unit,
      samples.map((sample) => ({ x: sample.seconds / 60, y: of(sample) })),
    ),
  )
  return [...figures, trend('log bytes per call', LOG_BYTES_PER_CALL_PER_MINUTE, 'B/min', logBytesPerCall)]
}

/** True when the sessions had as many answers as they keep by the time from which the line is fitted. */
function areBuffersFull(samples: readonly Sample[]): boolean {
  const [from] = settled(samples.map((sample) => ({ x: sample.seconds, y: 0, sample })))
  return !from || from.sample.calls >= from.sample.sessions * EVENT_LIMITS.sessionEvents
}
