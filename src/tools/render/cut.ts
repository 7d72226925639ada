import { firstCharacter, wholeCharacters } from '../../lib/utf8.ts'

const NEWLINE = 0x0a

/** The start of `bytes`, at most `max` of them, ending with a whole line, or in the middle of one that is longer than half of it. */
export function cutHead(bytes: Buffer, max = bytes.length): Buffer {
  const piece = bytes.subarray(0, max)
  const lineEnd = piece.lastIndexOf(NEWLINE) + 1
  return piece.subarray(0, lineEnd > piece.length / 2 ? lineEnd : wholeCharacters(piece))
}

/** The end of `bytes`, at most `max` of them, beginning with a whole line, or in the middle of one that is longer than half of it. */
export function cutTail(bytes: Buffer, max = bytes.length): Buffer {
  const piece = bytes.subarray(Math.max(0, bytes.length - max))
  const lineStart = piece.indexOf(NEWLINE) + 1
  return piece.subarray(lineStart > 0 && lineStart < piece.length / 2 ? lineStart : firstCharacter(piece))
}

/** The last `lines` lines of `bytes`; a final newline ends the last one. */
export function lastLines(bytes: Buffer, lines: number): Buffer {
  let at = bytes.at(-1) === NEWLINE ? bytes.length - 1 : bytes.length
  for (let found = 0; found < lines; found++) {
    if (at === 0) return bytes
    const newline = bytes.lastIndexOf(NEWLINE, at - 1)
    if (newline < 0) return bytes
    at = newline
  }
  return bytes.subarray(at + 1)
}
