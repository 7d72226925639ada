import { type Case, interleave } from '../measure.ts'
import { hasDockerCli, PlainContainers, type PlainRun } from '../plain-run.ts'
import { medianOf, STATS_COLUMNS, statsRows, type SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

const AT_ONCE = 16

/**
 * Sixteen users at once, from an evicted sandbox to the first result of all of them, beside sixteen plain containers at once. Starting is
 * bound by the machine's cores, so this is the figure of a morning on which everybody comes at the same time.
 */
export async function burst(world: World): Promise<SuiteResult> {
  const rounds = world.quick ? 1 : 4
  await using users = await world.serveUsers()
  const image = (await world.app.images.ensure('python-minimal')).imageId
  const plain = new PlainContainers(world)
  const names = Array.from({ length: AT_ONCE }, (_, at) => `burst-${at}`)
  const callers = await Promise.all(names.map((name) => users.callerOf(name)))
  await Promise.all(callers.map((call) => call()))
  const runs = names.map((name): PlainRun => ({ image, volume: `${world.installation}-${name}` }))
  const labels = { 'sandbox-mcp.installation': world.installation }
  await Promise.all(runs.map(({ volume }) => world.docker.createVolume({ Name: volume, Labels: labels })))

  /** Times the work alone: what was made is removed, and evicted, in between. */
  const timed = (name: string, work: () => Promise<unknown>, before?: () => Promise<unknown>): Case => ({
    name,
    selfTimed: true,
    run: async () => {
      await before?.()
      const started = performance.now()
      await work()
      const ms = performance.now() - started
      await plain.removeAll()
      return ms
    },
  })
  const cases = [
    timed(API_RUNS, () => Promise.all(runs.map((run) => plain.byApi(run)))),
    timed(
      EVICTED,
      () => Promise.all(callers.map((call) => call())),
      () => Promise.all(names.map((name) => world.evict(name))),
    ),
  ]
  if (await hasDockerCli())
    cases.splice(
      1,
      0,
      timed(CLI_RUNS, () => Promise.all(runs.map((run) => plain.byCli(run)))),
    )
  const stats = await interleave(cases, { rounds, warmUp: 0 })
  const usual = cases.length === 3 ? CLI_RUNS : API_RUNS
  return {
    suite: `Burst: ${AT_ONCE} at once, until the last has its result`,
    columns: STATS_COLUMNS,
    rows: statsRows(stats),
    promises: [{ what: `${EVICTED} / ${usual}`, value: medianOf(stats, EVICTED) / medianOf(stats, usual), atMost: 1 }],
  }
}

const API_RUNS = `${AT_ONCE} docker run, by API`
const CLI_RUNS = `${AT_ONCE} docker run`
const EVICTED = `${AT_ONCE} evicted users`
