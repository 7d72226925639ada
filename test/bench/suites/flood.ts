import { interleave } from '../measure.ts'
import { cpuMs, rssBytes } from '../process-use.ts'
import { medianOf, STATS_COLUMNS, statsRows, type SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

const FLOOD = 'head -c 200M /dev/zero'
const MIB = 1024 * 1024

/** 200 MB of output: what the server pays, and how long the answer takes beside the program alone. */
export async function flood(world: World): Promise<SuiteResult> {
  const served = await world.connect('flood')
  // The command's pipe and a reader that throws everything away: what the program needs by itself.
  const alone = `${FLOOD} | cat > /dev/null`
  await served.call('shell_exec', { command: 'true' })
  for (let i = 0; i < 300; i++) await served.call('shell_exec', { command: `echo ${'x'.repeat(1000)}` })
  const before = { cpu: cpuMs(served.pid), highest: rssBytes(served.pid, 'VmHWM') }
  const rounds = world.quick ? 3 : 8
  const stats = await interleave(
    [
      { name: 'the program alone', run: () => served.call('shell_exec', { command: alone }) },
      { name: 'shell_exec of the flood', run: () => served.call('shell_exec', { command: FLOOD }) },
    ],
    { rounds, warmUp: 0 },
  )
  const growth = (rssBytes(served.pid, 'VmHWM') - before.highest) / MIB
  const cpu = (cpuMs(served.pid) - before.cpu) / rounds
  await served.close()
  return {
    suite: '200 MB of output',
    columns: STATS_COLUMNS,
    rows: [
      ...statsRows(stats),
      ['CPU of the server per flood, ms', rounds, cpu],
      ['highest RSS growth of the server, MiB', rounds, growth],
    ],
    promises: [
      {
        what: 'time beside the program alone',
        value: medianOf(stats, 'shell_exec of the flood') / medianOf(stats, 'the program alone'),
        atMost: 2,
      },
      { what: 'RSS growth in MiB', value: growth, atMost: 20 },
    ],
  }
}
