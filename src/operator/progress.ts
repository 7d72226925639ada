import type { Output } from './output.ts'

/** A line that tells what is being done, on stderr of a terminal; nothing elsewhere. */
export interface ProgressLine {
  readonly tell: ((text: string) => void) | undefined
  /** Takes the line away. */
  end(): void
}

const ERASE_LINE = '\r\u001B[2K'

export function progressLine(out: Pick<Output, 'isTerminal' | 'json'>, write: (text: string) => void): ProgressLine {
  if (!out.isTerminal || out.json) return { tell: undefined, end: () => {} }
  return { tell: (text) => write(`${ERASE_LINE}${text} …`), end: () => write(ERASE_LINE) }
}
