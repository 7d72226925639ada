import { MalformedBytes } from '../lib/byte-codec.ts'
import type { Captured, CommandOutput, CommandResult, EntryPage, FileLines, OutputPage } from './protocol.ts'

/**
 * A reply may be as large as a frame; what was asked for is mostly far smaller. A supervisor that sends more is not ours: each check
 * throws MalformedBytes, which ends the connection, so that nothing larger than a caller's budget reaches it.
 */
export function withinBudget(result: CommandResult, budget: { head: number; tail: number }): CommandResult {
  for (const stream of [result.stdout, result.stderr]) checkCaptured(stream, budget)
  return result
}

export function withinPage(output: CommandOutput, maxBytes: number): CommandOutput {
  for (const page of [output.stdout, output.stderr]) checkPage(page, maxBytes)
  return output
}

export function withinRange(
  lines: FileLines,
  { maxLines, maxLineBytes }: { maxLines: number; maxLineBytes: number },
): FileLines {
  if (lines.lines.length > maxLines) throw new MalformedBytes('more lines than were asked for')
  if (lines.lines.some(({ kept }) => kept.length > maxLineBytes)) throw new MalformedBytes('a line is too long')
  return lines
}

export function withinLimit(page: EntryPage, limit: number): EntryPage {
  if (page.entries.length > limit) throw new MalformedBytes('more entries than were asked for')
  return page
}

/** `head` is all when that fits in both budgets. */
function checkCaptured(stream: Captured, { head, tail }: { head: number; tail: number }): void {
  const isAll = stream.tail.length === 0
  if (stream.head.length > (isAll ? head + tail : head) || stream.tail.length > tail) {
    throw new MalformedBytes('more output than was asked for')
  }
}

function checkPage({ first, next, data }: OutputPage, maxBytes: number): void {
  if (data.length > maxBytes) throw new MalformedBytes('more output than was asked for')
  if (next !== first + data.length) throw new MalformedBytes('a page does not end at its cursor')
}
