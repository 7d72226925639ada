import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Canary, startCanary } from '../helpers/canary.ts'
import { useInstallation } from '../helpers/installation.ts'
import { allPoints, type KillPoint, pointName } from './sweep/kill-point.ts'
import { type PointResult, record, runPoint } from './sweep/run-point.ts'
import { markdownTable } from './sweep/table.ts'

/**
 * Kills of the server at chosen engine calls of a session that does everything: before the engine hears of the call, and after it has done it. A new
 * server follows, and nothing may be lost, repeated, invented or left. `npm run crash-sweep` runs every point there is.
 */
const installation = useInstallation()
const isWhole = process.env['CRASH_SWEEP'] === 'whole'
/** Points at the same time: the machine is waited for more than it works. */
const LANES = 2

let canary: Canary
beforeAll(async () => {
  canary = await startCanary(installation)
})
afterAll(() => canary[Symbol.asyncDispose]())

/** Where a window is known to be: between two things that belong together. */
const CHOSEN: readonly KillPoint[] = [
  { request: 'POST /volumes/create', nth: 1, side: 'after' },
  { request: 'POST /containers/create', nth: 1, side: 'before' },
  { request: 'POST /containers/create', nth: 1, side: 'after' },
  { request: 'POST /containers/ID/start', nth: 1, side: 'before' },
  { request: 'POST /containers/ID/start', nth: 1, side: 'after' },
  { request: 'POST /exec/ID/start', nth: 1, side: 'after' },
  { request: 'FRAME start', nth: 1, side: 'before' },
  { request: 'FRAME start', nth: 1, side: 'after' },
  { request: 'FRAME rename', nth: 1, side: 'after' },
  { request: 'FRAME write', nth: 1, side: 'within' },
  { request: 'FRAME write', nth: 3, side: 'after' },
  { request: 'FRAME write', nth: 5, side: 'within' },
  { request: 'FRAME quiesce', nth: 1, side: 'after' },
  { request: 'DELETE /containers/ID', nth: 1, side: 'before' },
  { request: 'DELETE /containers/ID', nth: 1, side: 'after' },
  { request: 'POST /containers/create', nth: 2, side: 'after' },
  { request: 'DELETE /containers/ID', nth: 2, side: 'after' },
  { request: 'POST /volumes/create', nth: 2, side: 'after' },
  { request: 'DELETE /volumes/ID', nth: 1, side: 'before' },
  { request: 'DELETE /volumes/ID', nth: 1, side: 'after' },
]

describe.runIf(!isWhole).concurrent('a server that is killed', () => {
  test.each(CHOSEN.map((point) => [pointName(point), point] as const))(
    '%s: the next one has everything back, and nothing twice',
    async (_name, point) => {
      const { broken } = await runPoint(installation, canary, point)
      expect(broken).toEqual([])
    },
  )
})

describe.runIf(isWhole)('a server that is killed at any engine call', () => {
  test('is followed by one that has everything back, and nothing twice', { timeout: 2 * 60 * 60_000 }, async () => {
    const points = allPoints(await record(installation)).slice()
    const results: PointResult[] = []
    const lane = async (): Promise<void> => {
      for (let point = points.shift(); point; point = points.shift()) {
        const result = await runPoint(installation, canary, point)
        results.push(result)
        console.log(`${pointName(point)} (${result.step}): ${result.broken.join('; ') || 'ok'}`)
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    console.log(markdownTable(results))
    expect(results.flatMap(({ point, broken }) => broken.map((each) => `${pointName(point)}: ${each}`))).toEqual([])
  })
})
