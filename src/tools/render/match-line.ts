import { makeVisible } from '../../lib/visible-text.ts'

/** Characters of a line that are shown, and of them before the match. */
const MAX_CHARACTERS = 300
const BEFORE_CHARACTERS = 100
/** Of a longer line only the start is searched for the place of the match. */
const MAX_SEARCHED_BYTES = 1024 * 1024

/** A line of a file, cut around the match when it is long; safe to show. */
export function matchLine(
  bytes: Buffer,
  find: (text: string) => readonly [start: number, end: number] | undefined,
): string {
  const text = bytes.subarray(0, MAX_SEARCHED_BYTES).toString('utf8').replace(/\r$/, '')
  if (text.length <= MAX_CHARACTERS && bytes.length <= MAX_SEARCHED_BYTES) return visible(text)
  const [matchStart] = find(text) ?? [0]
  const start = Math.max(0, Math.min(matchStart - BEFORE_CHARACTERS, text.length - MAX_CHARACTERS))
  const piece = text.slice(start, start + MAX_CHARACTERS)
  const isCutAfter = start + MAX_CHARACTERS < text.length || bytes.length > MAX_SEARCHED_BYTES
  // Half of a surrogate pair is no valid JSON for many clients.
  const whole = piece.replace(/^[\udc00-\udfff]/, '').replace(/[\ud800-\udbff]$/, '')
  return `${start > 0 ? '…' : ''}${visible(whole)}${isCutAfter ? '…' : ''}`
}

/** Escape sequences are part of the file, so they are shown, not dropped. */
function visible(text: string): string {
  return makeVisible(text.replaceAll('\x1b', '\\x1b').replaceAll('\r', '\\r'))
}
