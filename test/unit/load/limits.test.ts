import { expect, test } from 'vitest'
import { holds, trends } from '../../load/limits.ts'
import type { Sample } from '../../load/samples.ts'
import { seededRandom } from '../../helpers/random.ts'

const flat: Omit<Sample, 'seconds'> = {
  rssMiB: 100,
  heapMiB: 30,
  fds: 40,
  timers: 5,
  sessions: 10,
  containers: 20,
  volumes: 200,
  logBytes: 0,
  calls: 0,
}

/** Five minutes, a sample every five seconds; ten calls and 300 bytes of log in each. Every session has all answers that it keeps from the start. */
function run(of: (minute: number, at: number) => Partial<Sample>): Sample[] {
  return Array.from({ length: 61 }, (_, at) => ({
    ...flat,
    logBytes: at * 300,
    calls: 10_000 + at * 10,
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

test('memory that grows while sessions fill what they keep for broken streams is no trend; anything else is', () => {
  const filling = (at: number) => ({ sessions: 100, calls: at * 10 })
  expect(broken(run((minute, at) => ({ ...filling(at), rssMiB: 100 + 3 * minute })))).toEqual([])
  expect(broken(run((minute, at) => ({ ...filling(at), volumes: 200 + minute })))).toEqual(['slope of volumes'])
})

test('scatter without a trend breaks no limit', () => {
  const random = seededRandom(7)
  expect(broken(run(() => ({ rssMiB: 100 + random() * 20, fds: 40 + Math.floor(random() * 12) })))).toEqual([])
})

test('what grows in the first third alone breaks no limit', () => {
  expect(broken(run((minute) => ({ rssMiB: 100 + Math.min(minute, 1.6) * 50 })))).toEqual([])
})

test.each([
  ['resident memory', (minute: number) => ({ rssMiB: 100 + 2 * minute })],
  ['heap in use', (minute: number) => ({ heapMiB: 30 + 2 * minute })],
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
  expect(broken(run((minute) => ({ rssMiB: 100 + 5 * minute + random() * 8 })))).toEqual(['slope of resident memory'])
})

test('a run of half a minute shows its slopes without judging them', () => {
  const short = run((minute) => ({ rssMiB: 100 + 50 * minute })).slice(0, 7)
  const [memory] = trends(short)
  expect(memory).toMatchObject({ what: 'slope of resident memory', onlyShown: true })
  expect(memory?.value).toBeCloseTo(50)
  expect(broken(short)).toEqual([])
})
