import type { FileInfo } from '../supervisor/protocol.ts'

/** Reads into a sink with back-pressure, as `Files.read` does. */
export type ReadInto = (sink: (piece: Buffer) => Promise<void>, signal: AbortSignal) => Promise<FileInfo>

/**
 * A read that is asked for piece by piece instead of pushing them. Whoever leaves the loop early ends the read. Returns what the file
 * was when it was opened.
 */
export async function* readPieces(
  read: ReadInto,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, FileInfo, void> {
  signal?.throwIfAborted()
  const stop = new AbortController()
  const onAbort = () => stop.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  let piece: Buffer | undefined
  let end: { file: FileInfo } | { error: unknown } | undefined
  let wake = () => {}
  let taken = () => {}
  const sink = (data: Buffer) => {
    piece = data
    wake()
    return new Promise<void>((resolve) => (taken = resolve))
  }
  const settled = read(sink, stop.signal).then(
    (file) => (end = { file }),
    (error: unknown) => (end = { error }),
  )
  void settled.then(() => wake())
  try {
    for (;;) {
      if (!piece && !end) await new Promise<void>((resolve) => (wake = resolve))
      if (piece) {
        yield piece
        piece = undefined
        taken()
      } else if (end) {
        if ('error' in end) throw end.error
        return end.file
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    stop.abort()
  }
}
