import { structuredPatch } from 'diff'
import { makeVisible } from '../../lib/visible-text.ts'
import { estimateTokens } from './token-estimate.ts'

export interface ShownDiff {
  /** Unified diff without file headers; bounded, with a last line that says what is left out. */
  readonly text: string
  readonly added: number
  readonly removed: number
  readonly truncated: boolean
}

const CONTEXT_LINES = 3
/** Comparing takes time in proportion to lines times changes; beyond this the counts are told without the lines. */
const DEADLINE_MS = 250
const MAX_TOKENS = 4000
const MAX_LINE_CHARACTERS = 500

/** What changed between two texts with plain line ends; undefined when they differ too much to be compared in the time given. */
export function shownDiff(before: string, after: string): ShownDiff | undefined {
  const patch = structuredPatch('', '', before, after, '', '', { context: CONTEXT_LINES, timeout: DEADLINE_MS })
  if (!patch) return undefined
  const all = patch.hunks.flatMap(({ oldStart, oldLines, newStart, newLines, lines }) => [
    `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@`,
    ...lines,
  ])
  const shown: string[] = []
  let tokens = 0
  for (const line of all) {
    const text = visibleLine(line)
    tokens += estimateTokens(text) + 1
    if (tokens > MAX_TOKENS) break
    shown.push(text)
  }
  const truncated = shown.length < all.length
  if (truncated) shown.push(`[… ${all.length - shown.length} more lines of the diff …]`)
  const changed = (sign: string) => patch.hunks.flatMap(({ lines }) => lines).filter((line) => line[0] === sign).length
  return { text: shown.join('\n'), added: changed('+'), removed: changed('-'), truncated }
}

/** Escape sequences are part of the file, so they are shown, not dropped. */
function visibleLine(line: string): string {
  const cut = line.slice(0, MAX_LINE_CHARACTERS).replace(/[\ud800-\udbff]$/, '')
  const text = makeVisible(cut.replaceAll('\x1b', '\\x1b').replaceAll('\r', '\\r'))
  return line.length > MAX_LINE_CHARACTERS ? `${text}…` : text
}
