import { dockerodeExec } from '../exec.ts'
import { throughput } from '../measure.ts'
import type { SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

/** Commands a second in one sandbox, through one MCP client, with several in flight. */
export async function commandsPerSecond(world: World): Promise<SuiteResult> {
  const served = await world.connect('throughput')
  await served.call('shell_exec', { command: 'true' })
  const container = await world.containerOf('throughput')
  const ms = world.quick ? 1500 : 5000
  const ours = () => served.call('shell_exec', { command: 'true' })
  const usual = () => dockerodeExec(container, ['bash', '-c', 'true'])
  const rows: [string, number, number, number][] = []
  for (const atOnce of [1, 8, 32]) {
    const fast = await throughput(ours, atOnce, ms)
    const slow = await throughput(usual, atOnce, ms)
    rows.push([`${atOnce} at once`, fast, slow, fast / slow])
  }
  await served.close()
  return {
    suite: 'Commands a second (one sandbox, 1 CPU)',
    columns: ['in flight', 'shell_exec /s', 'dockerode exec /s', 'ratio'],
    rows,
    promises: [{ what: 'commands a second, 8 in flight', value: rows[1]?.[1] ?? 0, atLeast: 300 }],
  }
}
