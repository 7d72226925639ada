import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { setTimeout as delay } from 'node:timers/promises'
import type { ContainerState } from '../../../src/engine/engine.ts'
import { interleave } from '../measure.ts'
import { memAvailable } from '../process-use.ts'
import { medianOf, STATS_COLUMNS, statsRows, type SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

const run = promisify(execFile)
const MIB = 1024 * 1024
const POLL_MS = 20

/** From each rung of the ladder to the first result, beside the engine's own ways; and what a sandbox takes of the machine on each. */
export async function wake(world: World): Promise<SuiteResult> {
  const stats = await interleave(await cases(world), { rounds: world.quick ? 4 : 15, warmUp: 1 })
  const memory = await memoryByRung(world)
  const median = (name: string) => medianOf(stats, name)
  return {
    suite: 'Wake',
    columns: STATS_COLUMNS,
    rows: [...statsRows(stats), ...memory.rows],
    promises: [
      {
        what: 'frozen to first result: ms above unpause',
        value: median('frozen to first result') - median('unpause'),
        atMost: 20,
      },
      { what: 'evicted beside docker run', value: median('evicted to first result') / median('docker run'), atMost: 1 },
      { what: 'idle sandboxes in 1 GiB', value: memory.fit, atLeast: 128 },
    ],
  }
}

async function cases(world: World) {
  const { docker, installation } = world
  const image = (await world.app.images.ensure('python-minimal')).imageId
  const freezing = await world.connect('frozen', { SANDBOX_FREEZE_AFTER: '1s' })
  const evicting = await world.connect('evicted', { SANDBOX_IDLE_TIMEOUT: '1s' })
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

/** What a sandbox takes of the machine: the drop of available memory, shim and daemon included. */
async function memoryByRung(world: World): Promise<{ readonly rows: (string | number)[][]; readonly fit: number }> {
  const count = world.quick ? 5 : 20
  const users = Array.from({ length: count }, (_, at) => `rung-${at}`)
  const use = async (user: string) => {
    const lease = await world.app.registry.acquire(user)
    await lease.sandbox.commands.run({ command: 'true', timeoutMs: 5000, waitMs: 5000, maxOutputBytes: 1024 })
    lease.release()
  }
  await use('rung-warm')
  const before = memAvailable()
  const each = () => (before - memAvailable()) / count / MIB
  for (const user of users) await use(user)
  const ready = each()
  for (const user of users) await (await world.containerOf(user)).pause()
  const frozen = each()
  for (const user of users) await world.evict(user)
  const evicted = each()
  const row = (rung: string, mib: number) => [`MiB of a sandbox that is ${rung}, of ${count}`, count, mib, '', '', '']
  const fit = Math.floor(1024 / ready)
  return {
    rows: [
      row('ready', ready),
      row('frozen', frozen),
      row('evicted', evicted),
      ['idle sandboxes in 1 GiB', count, fit, '', '', ''],
    ],
    fit,
  }
}

async function untilState(world: World, user: string, wanted: ContainerState | undefined): Promise<void> {
  while ((await world.stateOf(user)) !== wanted) await delay(POLL_MS)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}
