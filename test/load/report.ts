import Table from 'cli-table3'
import { holds } from './limits.ts'
import type { SoakProgress, SoakReport } from './soak.ts'
import { percentiles } from './tally.ts'

/** True when nothing is held against the run. */
export function hasPassed({ findings, faults, tally }: SoakReport): boolean {
  return tally.failed === 0 && faults.length === 0 && findings.every(holds)
}

/** The report as it is written to a file: figures, no prose. */
export function asJson(report: SoakReport): object {
  const { options, tally, samples, before, after, firstCallsMs, evictions, findings, faults } = report
  return {
    options,
    passed: hasPassed(report),
    calls: tally.calls,
    failed: tally.failed,
    refusals: Object.fromEntries(tally.refusals),
    refusalsWithoutTime: tally.vagueRefusals,
    longestRefusedMs: Math.round(tally.longestRefusedMs),
    callsByUser: tally.spread,
    evictions,
    firstCalls: percentiles(firstCallsMs),
    kinds: tally.kinds,
    findings: findings.map((finding) => ({ ...finding, holds: holds(finding) })),
    faults,
    before,
    after,
    samples,
  }
}

/** The report for people: aligned tables. */
export function printReport(report: SoakReport): void {
  const { options, tally, evictions, findings, faults } = report
  console.log(
    `\n${options.users} users on ${options.slots} slots of ${options.servers} server(s), ${options.seconds} s: ${tally.calls} calls ` +
      `(${(tally.calls / options.seconds).toFixed(1)} a second), ${tally.failed} failed; the least busy user made ` +
      `${tally.spread.fewest}, the busiest ${tally.spread.most}; ${evictions} evictions`,
  )
  const calls = tableOf(['call', 'n', 'failed', 'p50 ms', 'p95 ms', 'p99 ms', 'max ms'])
  for (const { kind, calls: count, failures, p50Ms, p95Ms, p99Ms, maxMs } of tally.kinds) {
    calls.push([kind, count, failures, ...[p50Ms, p95Ms, p99Ms, maxMs].map(rounded)])
  }
  console.log(calls.toString())

  const refusals = [...tally.refusals].map(([code, count]) => `${count} × ${code}`).join(', ') || 'none'
  const vague = tally.vagueRefusals > 0 ? `; ${tally.vagueRefusals} did not say when to come back` : ''
  console.log(`refused: ${refusals}${vague}; longest until served: ${(tally.longestRefusedMs / 1000).toFixed(1)} s`)

  const measured = tableOf(['', 'measured', 'value', '± noise', 'at most', 'unit'])
  for (const finding of findings) {
    const mark = finding.onlyShown ? 'shown' : holds(finding) ? 'holds' : 'BROKEN'
    const { what, value, noise, limit, unit } = finding
    measured.push([mark, what, rounded(value), noise === undefined ? '' : rounded(noise), rounded(limit), unit])
  }
  console.log(measured.toString())
  for (const fault of faults) console.log(`FAULT ${fault}`)
  console.log(hasPassed(report) ? 'passed' : 'FAILED')
}

/** One line that says how far it is. */
export function progressLine({ phase, seconds, tally, sample }: SoakProgress): string {
  const held = sample ? ` · ${sample.containers} containers, ${sample.fds} files, ${Math.round(sample.rssMiB)} MiB` : ''
  return `${seconds.toFixed(0).padStart(4)} s ${phase.padEnd(11)} ${tally.calls} calls, ${tally.refusedInAll} refused, ${tally.failed} failed${held}`
}

function tableOf(head: string[]): Table.Table {
  const noLine = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' }
  return new Table({ head, chars: noLine, style: { head: [], border: [] } })
}

function rounded(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}
