import { CRLF_MARK } from './occurrences.ts'

/** The 1-based lines of ascending offsets into marked text, each once. */
export function lineNumbers(marked: string, offsets: readonly number[]): number[] {
  const lines = new Set<number>()
  let line = 1
  let at = 0
  for (const offset of offsets) {
    for (; at < offset; at++) if (marked[at] === '\n' || marked[at] === CRLF_MARK) line++
    lines.add(line)
  }
  return [...lines]
}
