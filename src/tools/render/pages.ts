import { formatBytes } from '../../lib/units.ts'
import { visibleText } from '../../lib/visible-text.ts'
import type { OutputCursor, ProcessOutput, StreamPage } from '../../sandbox/processes.ts'
import { cutHead, cutTail, lastLines } from './cut.ts'
import { estimateTokens, fitsTokens, MAX_BODY_TOKENS } from './token-estimate.ts'

/** A page of each stream as the model sees it, and where the next one begins. */
export interface PagesText {
  readonly stdout: PageText
  readonly stderr: PageText
  readonly next: OutputCursor
}

export interface PageText {
  readonly text: string
  /** Bytes after this page that can be read already. */
  readonly leftBytes: number
  /** Bytes before this page that were passed over. */
  readonly skippedBytes: number
}

export interface PageOptions {
  /** True: the page begins at the caller's cursor, so what does not fit is left for later. False: it is the newest, so older bytes go. */
  readonly fromCursor: boolean
  readonly tailLines?: number | undefined
}

const SHRINK = 0.9

/** Makes pages short enough for the model. What is cut moves the cursor or counts as skipped: no byte is lost silently. */
export function renderPages(output: ProcessOutput, options: PageOptions): PagesText {
  let maxBytes = Math.max(output.stdout.data.length, output.stderr.data.length)
  for (;;) {
    const stdout = fitPage(output.stdout, maxBytes, options)
    const stderr = fitPage(output.stderr, maxBytes, options)
    const text = stdout.text + stderr.text
    if (fitsTokens(text, MAX_BODY_TOKENS)) {
      const next = {
        stdout: output.next.stdout - stdout.cutBytes,
        stderr: output.next.stderr - stderr.cutBytes,
      }
      return { stdout, stderr, next }
    }
    maxBytes = Math.floor(maxBytes * SHRINK * Math.min(1, MAX_BODY_TOKENS / estimateTokens(text)))
  }
}

function fitPage(page: StreamPage, maxBytes: number, options: PageOptions): PageText & { cutBytes: number } {
  if (options.fromCursor) {
    const data = page.data.length > maxBytes ? cutHead(page.data, maxBytes) : page.data
    const cutBytes = page.data.length - data.length
    const gone = page.skippedBytes > 0 ? `[… ${formatBytes(page.skippedBytes)} no longer kept …]\n` : ''
    return {
      text: gone + visibleText(data),
      leftBytes: page.leftBytes + cutBytes,
      skippedBytes: page.skippedBytes,
      cutBytes,
    }
  }
  const wanted = options.tailLines === undefined ? page.data : lastLines(page.data, options.tailLines)
  const isCut = wanted.length > maxBytes || (wanted.length === page.data.length && page.skippedBytes > 0)
  const data = isCut ? cutTail(wanted, maxBytes) : wanted
  const skippedBytes = page.skippedBytes + page.data.length - data.length
  const before = skippedBytes > 0 ? `[… ${formatBytes(skippedBytes)} before this …]\n` : ''
  return { text: before + visibleText(data), leftBytes: page.leftBytes, skippedBytes, cutBytes: 0 }
}
