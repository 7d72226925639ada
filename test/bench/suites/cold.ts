import { dockerodeExec } from '../exec.ts'
import { interleave } from '../measure.ts'
import { hasDockerCli, PlainContainers, type PlainRun } from '../plain-run.ts'
import { medianOf, STATS_COLUMNS, statsRows, type SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

/**
 * From nothing, and from an evicted sandbox, to the first result of a command, beside the same command in a container of the same image with
 * a volume. Every user is used for one call only: what is timed is a first call through a real client over HTTP.
 */
export async function cold(world: World): Promise<SuiteResult> {
  const rounds = world.quick ? 3 : 12
  await using users = await world.serveUsers()
  const image = (await world.app.images.ensure('python-minimal')).imageId
  const plain = new PlainContainers(world)
  const labels = { 'sandbox-mcp.installation': world.installation }

  const fresh: (() => Promise<void>)[] = []
  const evicted: (() => Promise<void>)[] = []
  const volumes: PlainRun[] = []
  for (let at = 0; at <= rounds; at++) {
    fresh.push(await users.callerOf(`fresh-${at}`))
    const sleeper = await users.callerOf(`evicted-${at}`)
    await sleeper()
    await world.evict(`evicted-${at}`)
    evicted.push(sleeper)
    const volume = `${world.installation}-plain-${at}`
    await world.docker.createVolume({ Name: volume, Labels: labels })
    volumes.push({ image, volume })
  }
  let round = 0
  const nth = <T>(from: readonly T[]): T => {
    const found = from[round % from.length]
    if (found === undefined) throw new Error('none left')
    return found
  }
  const cases = [
    { name: API_RUN, run: () => plain.byApi(nth(volumes)) },
    {
      name: 'container that stays + docker exec, by API',
      run: async () => dockerodeExec(await plain.startedForExec(nth(volumes)), ['bash', '-c', 'true']),
    },
    { name: NEW_USER, run: () => nth(fresh)() },
    { name: EVICTED, run: () => nth(evicted)() },
  ]
  if (await hasDockerCli()) cases.splice(1, 0, { name: CLI_RUN, run: () => plain.byCli(nth(volumes)) })
  const stats = await interleave(cases, { rounds, warmUp: 1, onRound: (at) => (round = at + 1) })
  await plain.removeAll()

  const ratio = (ours: string, usual: string) => medianOf(stats, ours) / medianOf(stats, usual)
  const promises = [{ what: `${EVICTED} / ${API_RUN}`, value: ratio(EVICTED, API_RUN), atMost: 1.2 }]
  if (cases.some(({ name }) => name === CLI_RUN)) {
    promises.push(
      { what: `${EVICTED} / ${CLI_RUN}`, value: ratio(EVICTED, CLI_RUN), atMost: 1 },
      { what: `${NEW_USER} / ${CLI_RUN}`, value: ratio(NEW_USER, CLI_RUN), atMost: 1 },
    )
  }
  return { suite: 'Cold: the first result of a command', columns: STATS_COLUMNS, rows: statsRows(stats), promises }
}

const API_RUN = 'docker run, by API'
const CLI_RUN = 'docker run'
const NEW_USER = 'new user'
const EVICTED = 'evicted'
