import { duration, paint } from './terminal.mjs'

/**
 * What one suite came to: {name, passed, failed, skipped, ms}. A suite without tests of its own (a linter, a fuzzer) has `isCheck`: when it
 * fails it counts as one failure, so that the closing line never says "0 failed" of a failed run, and when it passes as nothing.
 */
export function table(results) {
  const header = row('suite', 'passed', 'failed', 'skipped', 'time')
  const rows = results.map(({ name, passed, failed, skipped, ms, isCheck }) => {
    const line = isCheck
      ? row(name, failed ? '' : 'ok', failed ? 'failed' : '', '', duration(ms))
      : row(name, passed, failed, skipped, duration(ms))
    return paint(failed > 0 ? 'red' : 'green', line)
  })
  return [paint('bold', header), ...rows].join('\n')
}

/** "57 passed, 0 failed", with ", 2 skipped" when there are some: the counts of the test runners. */
export function closingLine(results) {
  const sum = (key) => results.reduce((total, result) => total + result[key], 0)
  const skipped = sum('skipped')
  return `${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

function row(name, ...cells) {
  return name.padEnd(20) + cells.map((cell) => String(cell).padStart(10)).join('')
}
