import type Docker from 'dockerode'
import { dockerodeExec } from '../exec.ts'
import { interleave } from '../measure.ts'
import { medianOf, STATS_COLUMNS, statsRows, type SuiteResult } from '../report.ts'
import type { Served, World } from '../world.ts'

/** From nothing, and from an evicted sandbox, to the first result, beside a plain container of the same image. */
export async function coldStart(world: World): Promise<SuiteResult> {
  const rounds = world.quick ? 3 : 12
  // Servers and sessions are opened beforehand: what is timed is the first call.
  const cold: Served[] = []
  const woken: Served[] = []
  for (let i = -1; i < rounds; i++) {
    cold.push(await world.connect(`cold-${i}`))
    const sleeper = await world.connect(`woken-${i}`)
    await sleeper.call('shell_exec', { command: 'true' })
    await sleeper.close()
    await world.containerOf(`woken-${i}`).remove({ force: true })
    woken.push(await world.connect(`woken-${i}`))
  }
  const image = (await world.app.images.ensure('python-minimal')).imageId
  const next = async (from: Served[]) => {
    const served = from.pop()
    if (!served) throw new Error('no server left')
    await served.call('shell_exec', { command: 'true' })
  }
  const plain: Docker.Container[] = []
  const stats = await interleave(
    [
      {
        name: 'docker run + docker exec',
        run: async () => {
          const container = await world.docker.createContainer({
            Image: image,
            Entrypoint: ['sleep'],
            Cmd: ['infinity'],
            NetworkDisabled: true,
            Labels: { 'sandbox-mcp.installation': world.installation },
            HostConfig: { NetworkMode: 'none', LogConfig: { Type: 'none', Config: {} } },
          })
          plain.push(container)
          await container.start()
          await dockerodeExec(container, ['bash', '-c', 'true'])
        },
      },
      { name: 'new user to first result', run: () => next(cold) },
      { name: 'evicted to first result', run: () => next(woken) },
    ],
    { rounds, warmUp: 1 },
  )
  await Promise.all(plain.map((container) => container.remove({ force: true })))
  const usual = medianOf(stats, 'docker run + docker exec')
  return {
    suite: 'Start',
    columns: STATS_COLUMNS,
    rows: statsRows(stats),
    promises: [
      {
        what: 'new user beside docker run + exec',
        value: medianOf(stats, 'new user to first result') / usual,
        atMost: 1.5,
      },
      {
        what: 'evicted beside docker run + exec',
        value: medianOf(stats, 'evicted to first result') / usual,
        atMost: 1.5,
      },
    ],
  }
}
