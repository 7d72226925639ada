import { expect, test } from 'vitest'
import { holds, trends } from '../../load/limits.ts'
import type { Sample } from '../../load/samples.ts'
import { seededRandom } from '../../helpers/random.ts'

const flat: Omit<Sample, 'seconds'> = {
  rssMiB: 100,
  heapMiB: 30,
  outsideMiB: 60,
  replayMiB: 2,
  fds: 40,
  timers: 5,
  sessions: 10,
  containers: 20,
  volumes: 200,
  logBytes: 0,
  callsInFlight: 5,
  calls: 0,
}

/** Five minutes, a sample every five seconds; ten calls and 300 bytes of log in each. */
function run(of: (minute: number, at: number) => Partial<Sample>): Sample[] {
  return Array.from({ length: 61 }, (_, at) => ({
    ...flat,
    logBytes: at * 300,
    calls: at * 10,
    ...of(at / 12, at),
    seconds: at * 5,
  }))
}

const broken = (samples: readonly Sample[]) =>
  trends(samples)
    .filter((finding) => !holds(finding))
    .map(({ what }) => what)

test('a steady run breaks no limit', () => {
  expect(broken(run(() => ({})))).toEqual([])
})

test('memory that grows by what sessions keep for broken streams breaks no limit; growth beside that does', () => {
  const filling = (minute: number) => ({
    replayMiB: 2 + 3 * minute,
    rssMiB: 100 + 3 * minute,
    heapMiB: 30 + 3 * minute,
  })
  expect(broken(run(filling))).toEqual([])
  expect(broken(run((minute) => ({ ...filling(minute), heapMiB: 30 + 5 * minute })))).toEqual([
    'slope of heap without replays',
  ])
})

test('scatter without a trend breaks no limit', () => {
  const random = seededRandom(7)
  expect(broken(run(() => ({ outsideMiB: 60 + random() * 20, fds: 40 + Math.floor(random() * 12) })))).toEqual([])
})

test('what grows in the first third alone breaks no limit', () => {
  expect(broken(run((minute) => ({ outsideMiB: 60 + Math.min(minute, 1.6) * 50 })))).toEqual([])
})

test.each([
  ['memory outside the heap', (minute: number) => ({ outsideMiB: 60 + 2 * minute })],
  ['heap without replays', (minute: number) => ({ heapMiB: 30 + 2 * minute })],
  ['open files', (minute: number) => ({ fds: 40 + Math.floor(minute) })],
  ['timers', (minute: number) => ({ timers: 5 + Math.floor(minute) })],
  ['containers', (minute: number) => ({ containers: 20 + Math.floor(minute) })],
  ['volumes', (minute: number) => ({ volumes: 200 + Math.floor(minute) })],
  ['log bytes per call', (_: number, at: number) => ({ logBytes: at * at * 30 })],
])('a leak of %s is found', (what, of) => {
  expect(broken(run(of))).toEqual([`slope of ${what}`])
})

test('a leak is found in scatter that is larger than it', () => {
  const random = seededRandom(3)
  expect(broken(run((minute) => ({ outsideMiB: 60 + 5 * minute + random() * 8 })))).toEqual([
    'slope of memory outside the heap',
  ])
})

test('what more calls in flight hold is no trend; a leak beside that is found', () => {
  const random = seededRandom(5)
  const busier = (minute: number) => {
    const callsInFlight = 5 + Math.floor((minute > 2.5 ? 20 : 0) + random() * 10)
    return { callsInFlight, timers: 1 + 2 * callsInFlight }
  }
  expect(broken(run(busier))).toEqual([])
  const leaking = run((minute) => {
    const { callsInFlight, timers } = busier(minute)
    return { callsInFlight, timers: timers + Math.floor(2 * minute) }
  })
  expect(broken(leaking)).toEqual(['slope of timers'])
})

test('a run of half a minute shows its slopes without judging them', () => {
  const short = run((minute) => ({ outsideMiB: 60 + 50 * minute })).slice(0, 7)
  const memory = trends(short).find(({ what }) => what.includes('outside'))
  expect(memory).toMatchObject({ what: 'slope of memory outside the heap', onlyShown: true })
  expect(memory?.value).toBeCloseTo(50)
  expect(broken(short)).toEqual([])
})
