import { setTimeout as delay } from 'node:timers/promises'
import { dockerodeExec } from '../exec.ts'
import { interleave } from '../measure.ts'
import { hasDockerCli, PlainContainers, type PlainRun } from '../plain-run.ts'
import { medianOf, STATS_COLUMNS, statsRows, type SuiteResult } from '../report.ts'
import type { ServedUsers, World } from '../world.ts'

const SLOTS = 2
const FULL_WITHIN_MS = 60_000
const LOOK_EVERY_MS = 20

const CLAIM = 'new user, from the pool'
const API_RUN = 'docker run, by API'
const CLI_RUN = 'docker run'
const RUN_EXEC = 'docker run + docker exec, by API'
const CLAIM_MS = 40
/** Than `docker run`, and than what a program without its command line has to do. */
const TIMES_FASTER = 8
const TIMES_FASTER_THAN_API = 6

/**
 * The first result of a user whom nobody has seen before: claim, owner record and command, through a real client over HTTP, beside the same
 * command in a new container of the same image with a volume. After each claim the pool fills up before the next case begins, so that what it does then
 * slows nothing that is timed.
 */
export async function pool(world: World): Promise<SuiteResult> {
  const rounds = world.quick ? 5 : 25
  const image = (await world.app.images.ensure('python-minimal')).imageId
  const labels = { 'sandbox-mcp.installation': world.installation }
  await using users = await world.serveUsers({ SANDBOX_POOL_SIZE: String(SLOTS) })
  const plain = new PlainContainers(world)
  const fresh: (() => Promise<void>)[] = []
  const volumes: PlainRun[] = []
  for (let at = 0; at <= rounds; at++) {
    fresh.push(await users.callerOf(`claims-${at}`))
    const volume = `${world.installation}-beside-${at}`
    await world.docker.createVolume({ Name: volume, Labels: labels })
    volumes.push({ image, volume })
  }
  let round = 0
  const nth = <T>(from: readonly T[]): T => {
    const found = from[round]
    if (found === undefined) throw new Error('none left')
    return found
  }
  await untilFull(users)
  const cases = [
    {
      name: CLAIM,
      selfTimed: true,
      run: async () => {
        const started = performance.now()
        await nth(fresh)()
        const took = performance.now() - started
        await untilFull(users)
        return took
      },
    },
    { name: API_RUN, run: () => plain.byApi(nth(volumes)) },
    {
      name: RUN_EXEC,
      run: async () => dockerodeExec(await plain.startedForExec(nth(volumes)), ['bash', '-c', 'true']),
    },
  ]
  if (await hasDockerCli()) cases.push({ name: CLI_RUN, run: () => plain.byCli(nth(volumes)) })
  const stats = await interleave(cases, { rounds, warmUp: 1, onRound: (at) => (round = at + 1) })
  await plain.removeAll()
  const hits = (await users.metrics()).value('sandbox_mcp_pool_claims_total', { outcome: 'hit' })
  if (hits !== rounds + 1) throw new Error(`${hits} of ${rounds + 1} new users got a slot`)

  const share = (usual: string) => medianOf(stats, CLAIM) / medianOf(stats, usual)
  const beside = [API_RUN, RUN_EXEC, CLI_RUN].filter((name) => cases.some((each) => each.name === name))
  return {
    suite: 'Pool: the first result of a new user',
    columns: STATS_COLUMNS,
    rows: statsRows(stats),
    promises: [
      { what: `${CLAIM}, ms`, value: medianOf(stats, CLAIM), atMost: CLAIM_MS },
      ...beside.map((name) => ({
        what: `${CLAIM} / ${name}`,
        value: share(name),
        atMost: 1 / (name === CLI_RUN ? TIMES_FASTER : TIMES_FASTER_THAN_API),
      })),
    ],
  }
}

async function untilFull(users: ServedUsers): Promise<void> {
  const giveUpAt = performance.now() + FULL_WITHIN_MS
  while (performance.now() < giveUpAt) {
    if ((await users.metrics()).value('sandbox_mcp_pool_slots', { state: 'ready' }) === SLOTS) return
    await delay(LOOK_EVERY_MS)
  }
  throw new Error('the pool did not fill up')
}
