import { makeVisible } from '../../lib/visible-text.ts'
import { estimateTokens, MAX_BODY_TOKENS } from './token-estimate.ts'

export interface FileLine {
  /** Length in bytes of the whole line. */
  readonly fullLength: number
  /** Its first bytes. */
  readonly kept: Buffer
}

export interface NumberedLines {
  readonly text: string
  /** How many of the lines are in the text: fewer when they would be too long together. */
  readonly shown: number
}

/** Characters of one line that are shown. */
export const MAX_LINE_CHARACTERS = 2000
const CR = 0x0d
const HIGH_SURROGATE_AT_END = /[\ud800-\udbff]$/
/** Bytes of one line that are asked for: enough for that many characters of any script. */
export const MAX_LINE_BYTES = MAX_LINE_CHARACTERS * 4

/** True when every line ends with CR LF; the LF is no part of a line here. */
export function hasCrlf(lines: readonly FileLine[]): boolean {
  return lines.length > 0 && lines.every(({ kept, fullLength }) => kept.length < fullLength || kept.at(-1) === CR)
}

/** Lines with their numbers before them, as `cat -n` prints them. The CR of CRLF files is left out; a stray one is shown. */
export function numberLines(lines: readonly FileLine[], firstLine: number): NumberedLines {
  const crlf = hasCrlf(lines)
  const width = String(firstLine + lines.length - 1).length
  const shown: string[] = []
  let tokens = 0
  for (const [at, line] of lines.entries()) {
    const text = `${String(firstLine + at).padStart(width)}\t${lineText(line, crlf)}`
    tokens += estimateTokens(text)
    if (tokens > MAX_BODY_TOKENS && shown.length > 0) break
    shown.push(text)
  }
  return { text: shown.join('\n'), shown: shown.length }
}

/** A line of a file. Unlike in a command's output nothing is dropped: escape sequences are part of the file, so they are shown. */
function lineText({ fullLength, kept }: FileLine, crlf: boolean): string {
  const isCut = kept.length < fullLength
  const characters = withoutCut(crlf && !isCut ? kept.subarray(0, -1) : kept, isCut)
  // Half of a surrogate pair is no valid JSON for many clients.
  const start = characters.slice(0, MAX_LINE_CHARACTERS).replace(HIGH_SURROGATE_AT_END, '')
  const text = makeVisible(start.replaceAll('\x1b', '\\x1b').replaceAll('\r', '\\r'))
  if (!isCut && characters.length <= MAX_LINE_CHARACTERS) return text
  return `${text} [… cut: the line has ${fullLength} bytes]`
}

/** Drops a character that the cut went through. */
function withoutCut(bytes: Buffer, isCut: boolean): string {
  const text = bytes.toString('utf8')
  return isCut && text.endsWith('\ufffd') ? text.slice(0, -1) : text
}
