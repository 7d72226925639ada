/** True when stdout is a terminal that can be redrawn. */
export const isTerminal = process.stdout.isTTY === true && process.env['TERM'] !== 'dumb'

/** Colours only on a terminal, and never against https://no-color.org. */
const hasColour = isTerminal && !process.env['NO_COLOR']

/** SGR parameters, on and off (ECMA-48, 8.3.117). */
const styles = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] }

/** `text` in one of the styles above, or as it is where colours are not wanted. */
export function paint(style, text) {
  if (!hasColour) return text
  const [on, off] = styles[style]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

/** Milliseconds for people: "0.4 ms", "38 ms", "2.1 s", "1 min 20 s". */
export function duration(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
}

/** Writes one line to stdout. */
export function print(line = '') {
  process.stdout.write(`${line}\n`)
}

/** The last `count` lines of a text, without a trailing empty one. */
export function lastLines(text, count) {
  return text.trimEnd().split('\n').slice(-count).join('\n')
}
