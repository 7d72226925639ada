import { pointName } from './kill-point.ts'
import type { PointResult } from './run-point.ts'

/** A line for each kill, and the median and the largest of each figure. */
export function markdownTable(results: readonly PointResult[]): string {
  const rows = results.map(({ point, step, detectionMs, errorMs, recoveryMs, broken }) => [
    pointName(point),
    step,
    whole(detectionMs),
    errorMs === undefined ? '–' : whole(errorMs),
    whole(recoveryMs),
    ...[/^I3/, /^I7/, /^I[49]/].map((kind) => String(broken.filter((each) => kind.test(each)).length)),
    broken.join('; ') || '–',
  ])
  const figures = (pick: (result: PointResult) => number | undefined) => {
    const sorted = results
      .map(pick)
      .filter((value) => value !== undefined)
      .sort((a, b) => a - b)
    return `${whole(sorted[Math.floor(sorted.length / 2)] ?? 0)} / ${whole(sorted.at(-1) ?? 0)}`
  }
  const summary = [
    `${results.length} kills, p50 / max`,
    '',
    figures(({ detectionMs }) => detectionMs),
    figures(({ errorMs }) => errorMs),
    figures(({ recoveryMs }) => recoveryMs),
    '',
    '',
    '',
    '',
  ]
  const header = ['killed', 'step', 'seen ms', 'error ms', 'recovery ms', 'lost', 'twice', 'left', 'broken']
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line), line(summary)].join('\n')
}

function whole(ms: number): string {
  return String(Math.round(ms))
}
