import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { setTimeout as delay } from 'node:timers/promises'
import type { ContainerState } from '../../../src/engine/engine.ts'
import { interleave } from '../measure.ts'
import { medianOf, STATS_COLUMNS, statsRows, type SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

const run = promisify(execFile)
const POLL_MS = 20
/** For a sandbox to come to a rung; its idle time is a second. */
const ON_RUNG_WITHIN_MS = 60_000

/** From each rung of the ladder to the first result, beside the engine's own ways. */
export async function wake(world: World): Promise<SuiteResult> {
  const stats = await interleave(await cases(world), { rounds: world.quick ? 4 : 15, warmUp: 1 })
  const median = (name: string) => medianOf(stats, name)
  return {
    suite: 'Wake',
    columns: STATS_COLUMNS,
    rows: statsRows(stats),
    promises: [
      {
        what: 'frozen to first result: ms above unpause',
        value: median('frozen to first result') - median('unpause'),
        atMost: 20,
      },
      { what: 'evicted beside docker run', value: median('evicted to first result') / median('docker run'), atMost: 1 },
    ],
  }
}

async function cases(world: World) {
  const { docker, installation } = world
  const image = (await world.app.images.ensure('python-minimal')).imageId
  const freezing = await world.connect('frozen', { SANDBOX_FREEZE_AFTER: '1s' })
  // Of this user alone: a server also puts to sleep what others have left for its own idle time.
  const evicting = await world.connect('evicted', { SANDBOX_USERS: '{"evicted":{"idleTimeout":"1s"}}' })
  const call = (served: typeof freezing) => served.call('shell_exec', { command: 'true' })
  for (const served of [freezing, evicting]) await call(served)
  const plain = await docker.createContainer({
    Image: image,
    Entrypoint: ['sleep'],
    Cmd: ['infinity'],
    NetworkDisabled: true,
    Labels: { 'sandbox-mcp.installation': installation },
    HostConfig: { NetworkMode: 'none', LogConfig: { Type: 'none', Config: {} } },
  })
  await plain.start()
  const volume = `${installation}-plain`
  await docker.createVolume({ Name: volume, Labels: { 'sandbox-mcp.installation': installation } })
  const ofRun = ['--label', `sandbox-mcp.installation=${installation}`, '--network', 'none', '--log-driver', 'none']
  return [
    {
      name: 'docker run',
      run: () =>
        run('docker', ['run', ...ofRun, '-v', `${volume}:/workspace`, '--entrypoint', 'bash', image, '-c', 'true']),
    },
    {
      name: 'evicted to first result',
      selfTimed: true,
      run: async () => {
        await untilState(world, 'evicted', undefined)
        return await timed(() => call(evicting))
      },
    },
    {
      name: 'unpause',
      selfTimed: true,
      run: async () => {
        await plain.pause()
        return await timed(() => plain.unpause())
      },
    },
    {
      name: 'frozen to first result',
      selfTimed: true,
      run: async () => {
        await untilState(world, 'frozen', 'paused')
        return await timed(() => call(freezing))
      },
    },
  ]
}

async function untilState(world: World, user: string, wanted: ContainerState | undefined): Promise<void> {
  const giveUpAt = performance.now() + ON_RUNG_WITHIN_MS
  let state = await world.stateOf(user)
  while (state !== wanted) {
    if (performance.now() > giveUpAt) throw new Error(`${user} is ${state ?? 'gone'}, not ${wanted ?? 'gone'}`)
    await delay(POLL_MS)
    state = await world.stateOf(user)
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}
