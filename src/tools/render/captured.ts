import { formatBytes } from '../../lib/units.ts'
import { visibleText } from '../../lib/visible-text.ts'
import type { CapturedStream, CommandOutcome } from '../../sandbox/outcome.ts'
import { cutHead, cutTail } from './cut.ts'
import { fitsTokens, MAX_BODY_TOKENS, estimateTokens } from './token-estimate.ts'

/** One stream as the model sees it. */
export interface StreamText {
  readonly text: string
  /** Bytes of it that the text leaves out. */
  readonly omittedBytes: number
}

export interface CapturedText {
  readonly stdout: StreamText
  readonly stderr: StreamText
}

const HEAD_SHARE = 0.2
/** How much more than the estimate says is cut, so that few rounds are needed. */
const SHRINK = 0.9

/**
 * The two streams of a command as text that is safe and short enough to show: cut at line borders, with a marker that says how to
 * read on where bytes are left out. `isKept`: the output can be read on, it outlives the call.
 */
export function renderCaptured(outcome: CommandOutcome, isKept = true): CapturedText {
  let maxBytes = Math.max(keptBytes(outcome.stdout), keptBytes(outcome.stderr))
  for (;;) {
    const stdout = renderStream(outcome.stdout, maxBytes, (at) =>
      isKept ? `: process_read process_id=${outcome.id} since=${at}:0` : '',
    )
    const stderr = renderStream(outcome.stderr, maxBytes, (at) =>
      isKept ? `: process_read process_id=${outcome.id} stream=stderr since=0:${at}` : '',
    )
    if (fitsTokens(stdout.text + stderr.text, MAX_BODY_TOKENS)) return { stdout, stderr }
    const tokens = estimateTokens(stdout.text + stderr.text)
    maxBytes = Math.floor(maxBytes * Math.min(SHRINK, (MAX_BODY_TOKENS / tokens) * SHRINK))
  }
}

function renderStream(stream: CapturedStream, maxBytes: number, where: (offset: number) => string): StreamText {
  if (stream.omittedBytes === 0 && keptBytes(stream) <= maxBytes) {
    const text =
      stream.tail.length === 0 ? visibleText(stream.head) : visibleText(Buffer.concat([stream.head, stream.tail]))
    return { text, omittedBytes: 0 }
  }
  const maxHead = Math.floor(maxBytes * HEAD_SHARE)
  const head = cutHead(stream.head, Math.min(maxHead, stream.head.length))
  const tail = cutTail(stream.tail.length > 0 ? stream.tail : stream.head, maxBytes - maxHead)
  const omittedBytes = stream.totalBytes - head.length - tail.length
  const marker = `[… ${formatBytes(omittedBytes)} omitted${where(head.length)} …]`
  const start = visibleText(head)
  const lineEnd = start === '' || start.endsWith('\n') ? '' : '\n'
  return { text: `${start}${lineEnd}${marker}\n${visibleText(tail)}`, omittedBytes }
}

function keptBytes(stream: CapturedStream): number {
  return stream.head.length + stream.tail.length
}
