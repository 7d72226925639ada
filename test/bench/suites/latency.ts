import { existsSync } from 'node:fs'
import { dockerCli, dockerodeExec } from '../exec.ts'
import { floorCase, stopFloors } from '../floor.ts'
import { type Case, interleave, type Stats } from '../measure.ts'
import { medianOf, STATS_COLUMNS, statsRows, type SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

const DOCKER_CLI = ['/usr/local/bin/docker', '/usr/bin/docker'].some((path) => existsSync(path))

/** One command on a warm sandbox, through a real MCP client over stdio, beside the usual ways and the machine's floor. */
export async function latency(world: World): Promise<SuiteResult> {
  const served = await world.connect('latency')
  await served.call('shell_exec', { command: 'true' })
  const container = await world.containerOf('latency')
  const { Id } = await container.inspect()
  const cases: Case[] = [
    floorCase('fork+exec bash -c true on the host', ['/bin/bash', '-c', 'true']),
    floorCase('fork+exec sh -c true on the host', ['/bin/sh', '-c', 'true']),
    { name: 'shell_exec true', run: () => served.call('shell_exec', { command: 'true' }) },
    { name: 'dockerode exec', run: () => dockerodeExec(container, ['bash', '-c', 'true']) },
  ]
  if (DOCKER_CLI) cases.push({ name: 'docker exec', run: () => dockerCli(Id, ['bash', '-c', 'true']) })
  const inARow = await interleave(cases, { rounds: world.quick ? 6 : 25, inARow: 10 })
  const afterPause = await interleave(cases, { rounds: world.quick ? 15 : 60, pauseMs: 100 })
  stopFloors()
  await served.close()
  const usual = DOCKER_CLI ? 'docker exec' : 'dockerode exec'
  const ratio = (stats: readonly Stats[]) => medianOf(stats, usual) / medianOf(stats, 'shell_exec true')
  const above = (stats: readonly Stats[]) =>
    medianOf(stats, 'shell_exec true') - medianOf(stats, 'fork+exec sh -c true on the host')
  const named = (stats: readonly Stats[], when: string) =>
    statsRows(stats).map(([name, ...rest]) => [`${name}, ${when}`, ...rest])
  return {
    suite: 'One command on a warm sandbox: ten in a row, and one after 100 ms of silence',
    columns: STATS_COLUMNS,
    rows: [...named(inARow, 'in a row'), ...named(afterPause, 'after a pause')],
    promises: [
      { what: `in a row: ${usual} / shell_exec`, value: ratio(inARow), atLeast: 20 },
      { what: 'in a row: ms above the fork+exec floor', value: above(inARow), atMost: 4 },
      { what: `after a pause: ${usual} / shell_exec`, value: ratio(afterPause), atLeast: 10 },
      { what: 'after a pause: ms above the fork+exec floor', value: above(afterPause), atMost: 4 },
    ],
  }
}
