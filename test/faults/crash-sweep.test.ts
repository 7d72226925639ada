import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Canary, startCanary } from '../helpers/canary.ts'
import { type Installation, useInstallation } from '../helpers/installation.ts'
import { allPoints, type KillPoint, pointName } from './sweep/kill-point.ts'
import { NotReached, type PointResult, record, runPoint } from './sweep/run-point.ts'
import { keeping, LADDER, type Scenario, SESSION } from './sweep/scenario.ts'
import { markdownTable } from './sweep/table.ts'

/**
 * Kills of the server at chosen engine calls and frames of a session that does everything: before the engine hears of the call, and after it has done
 * it. A new server follows, and nothing may be lost, repeated, invented or left. `npm run crash-sweep` runs every point there is.
 */
const isWhole = process.env['CRASH_SWEEP'] === 'whole'
/** Used at the same time: the machine is waited for more than it works. Each has a pool of its own. */
const lanes = [useInstallation(), useInstallation()] as const
/** Where copies of files are made: their helpers are the installation's. */
const copying = useInstallation()
const canaryInstallation = useInstallation()

const backupDir = mkdtempSync(join(tmpdir(), 'crash-sweep-'))
afterAll(() => rmSync(backupDir, { recursive: true }))
const KEEPING = keeping(backupDir)

let canary: Canary
beforeAll(async () => {
  canary = await startCanary(canaryInstallation)
})
afterAll(() => canary[Symbol.asyncDispose]())

/** Where a window is known to be: between two things that belong together. */
const IN_SESSION: readonly KillPoint[] = [
  { request: 'POST /volumes/create', nth: 1, side: 'after' },
  { request: 'POST /containers/create', nth: 1, side: 'after' },
  { request: 'POST /containers/ID/start', nth: 1, side: 'before' },
  { request: 'POST /exec/ID/start', nth: 1, side: 'after' },
  { request: 'FRAME start', nth: 1, side: 'before' },
  { request: 'FRAME start', nth: 1, side: 'after' },
  { request: 'FRAME write', nth: 1, side: 'within' },
  { request: 'FRAME write', nth: 3, side: 'after' },
  { request: 'FRAME rename', nth: 1, side: 'after' },
  { request: 'FRAME quiesce', nth: 1, side: 'after' },
  { request: 'DELETE /containers/ID', nth: 1, side: 'before' },
  { request: 'DELETE /containers/ID', nth: 2, side: 'after' },
  { request: 'DELETE /volumes/ID', nth: 1, side: 'before' },
  { request: 'DELETE /volumes/ID', nth: 1, side: 'after' },
]
const IN_LADDER: readonly KillPoint[] = [
  { request: 'POST /containers/ID/start', nth: 1, side: 'after' },
  { request: 'FRAME claim', nth: 1, side: 'before' },
  { request: 'FRAME claim', nth: 1, side: 'after' },
  { request: 'POST /containers/ID/pause', nth: 1, side: 'after' },
  { request: 'POST /containers/ID/unpause', nth: 1, side: 'after' },
]
const IN_KEEPING: readonly KillPoint[] = [
  { request: 'GET /containers/ID/json', nth: 3, side: 'after' },
  { request: 'POST /containers/ID/start', nth: 2, side: 'after' },
  { request: 'DELETE /volumes/ID', nth: 1, side: 'before' },
  { request: 'DELETE /volumes/ID', nth: 1, side: 'after' },
  { request: 'DELETE /volumes/ID', nth: 3, side: 'after' },
]

interface Sweep {
  /** What of the server. */
  readonly name: string
  readonly scenario: Scenario
  readonly points: readonly KillPoint[]
  readonly installation: Installation
  /** Points that share a pool, or look for helpers of any user, are tried one after the other. */
  readonly concurrent: boolean
}
const SWEEPS: readonly Sweep[] = [
  { name: 'that is killed', scenario: SESSION, points: IN_SESSION, installation: lanes[0], concurrent: true },
  {
    name: 'with a pool and a ladder that is killed',
    scenario: LADDER,
    points: IN_LADDER,
    installation: lanes[1],
    concurrent: false,
  },
  {
    name: 'that copies files and is killed',
    scenario: KEEPING,
    points: IN_KEEPING,
    installation: copying,
    concurrent: false,
  },
]

for (const { name, scenario, points, installation, concurrent } of SWEEPS) {
  describe.runIf(!isWhole)(`a server ${name}`, { concurrent }, () => {
    test.each(points.map((point) => [pointName(point), point] as const))(
      '%s: the next one has everything back, nothing twice, and nothing is left',
      async (_name, point) => {
        expect((await runPoint(installation, canary, scenario, point)).broken).toEqual([])
      },
    )
  })
}

describe.runIf(isWhole)('a server that is killed at any engine call', () => {
  test.each(SWEEPS.map(({ scenario }) => scenario))(
    'of the $name is followed by one that has everything back, and nothing twice',
    { timeout: 2 * 60 * 60_000 },
    async (scenario) => {
      const points = allPoints(await record(lanes[0], scenario)).slice()
      const { length } = points
      const results: PointResult[] = []
      const run = async (installation: Installation): Promise<void> => {
        for (let point = points.shift(); point; point = points.shift()) {
          const result = await runPoint(installation, canary, scenario, point).catch((error: unknown) => {
            if (!(error instanceof NotReached)) throw error
            // What happens in the background is not in the same order in every run.
            console.log(`${pointName(point)}: not in this run`)
            return undefined
          })
          if (!result) continue
          results.push(result)
          console.log(`${pointName(point)} (${result.step}): ${result.broken.join('; ') || 'ok'}`)
        }
      }
      await Promise.all(lanes.map(run))
      console.log(markdownTable(results))
      expect(results.length).toBeGreaterThan(length * 0.9)
      expect(results.flatMap(({ point, broken }) => broken.map((each) => `${pointName(point)}: ${each}`))).toEqual([])
    },
  )
})
