import { existsSync } from 'node:fs'
import { dockerCli, dockerodeExec } from '../exec.ts'
import { floorCase, stopFloors } from '../floor.ts'
import { type Case, interleave } from '../measure.ts'
import { medianOf, STATS_COLUMNS, statsRows, type SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

const DOCKER_CLI = ['/usr/local/bin/docker', '/usr/bin/docker'].some((path) => existsSync(path))

/** One command on a warm sandbox, through a real MCP client over stdio, beside the usual ways and the machine's floor. */
export async function latency(world: World): Promise<SuiteResult> {
  const served = await world.connect('latency')
  await served.call('shell_exec', { command: 'true' })
  const container = world.containerOf('latency')
  const { Id } = await container.inspect()
  const cases: Case[] = [
    floorCase('fork+exec bash -c true on the host', ['/bin/bash', '-c', 'true']),
    floorCase('fork+exec sh -c true on the host', ['/bin/sh', '-c', 'true']),
    { name: 'shell_exec true', run: () => served.call('shell_exec', { command: 'true' }) },
    { name: 'dockerode exec', run: () => dockerodeExec(container, ['bash', '-c', 'true']) },
  ]
  if (DOCKER_CLI) cases.push({ name: 'docker exec', run: () => dockerCli(Id, ['bash', '-c', 'true']) })
  const stats = await interleave(cases, world.quick ? 30 : 200)
  stopFloors()
  await served.close()
  const ours = medianOf(stats, 'shell_exec true')
  const usual = medianOf(stats, DOCKER_CLI ? 'docker exec' : 'dockerode exec')
  return {
    suite: 'One command on a warm sandbox',
    columns: STATS_COLUMNS,
    rows: statsRows(stats),
    promises: [
      { what: 'shell_exec is faster than docker exec by', value: usual / ours, atLeast: 20 },
      {
        what: 'shell_exec is faster than dockerode exec by',
        value: medianOf(stats, 'dockerode exec') / ours,
        atLeast: 20,
      },
      {
        what: 'ms above the fork+exec floor',
        value: ours - medianOf(stats, 'fork+exec sh -c true on the host'),
        atMost: 4,
      },
    ],
  }
}
