import { Ending, ENDED } from '../lib/ending.ts'
import { type Connection, NO_DEADLINE, type RequestOptions } from './connection.ts'
import type { WriteResult } from './client.ts'
import { decode } from './decode.ts'
import { encode, type WriteMode } from './encode.ts'
import { DATA_CHUNK_BYTES, FrameType } from './protocol.ts'

export interface WriteOptions {
  readonly mode: WriteMode
  readonly executable?: boolean
  readonly createParents?: boolean
  /** Refuse unless the file has this version. */
  readonly ifVersion?: bigint
}

/** Silence of the supervisor (a piece not taken, a commit not done) after which the connection counts as dead, in milliseconds. */
const SILENCE_MS = 60_000
/** Up to this many bytes travel inside the one WRITE frame. */
const INLINE_BYTES = 256 * 1024
const NO_BYTES = new Uint8Array(0)

/**
 * Writes a file atomically. Small content goes in one frame; larger content, and streams, piece by piece: the connection's own
 * back-pressure slows the source. If the source fails or the signal fires, the old file stays and no temporary file is left.
 */
export async function writeFile(
  connection: Connection,
  path: string,
  data: Uint8Array | AsyncIterable<Uint8Array>,
  write: WriteOptions,
  options: RequestOptions = {},
): Promise<WriteResult> {
  options.signal?.throwIfAborted()
  const request = {
    path,
    mode: write.mode,
    executable: write.executable ?? false,
    createParents: write.createParents ?? false,
    ifVersion: write.ifVersion ?? 0n,
  }
  if (data instanceof Uint8Array && data.length <= INLINE_BYTES) {
    return connection.request(
      (channel) => encode.write(channel, { ...request, last: true, data }),
      FrameType.written,
      decode.written,
      options,
    )
  }
  const sourceFailed = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, sourceFailed.signal]) : sourceFailed.signal
  let channel = 0
  const written = connection.request(
    (assigned) => {
      channel = assigned
      return encode.write(channel, { ...request, last: false, data: NO_BYTES })
    },
    FrameType.written,
    decode.written,
    { ...options, signal, deadlineMs: NO_DEADLINE },
  )
  /** The write has its outcome, good or bad. */
  const ending = new Ending(written)
  try {
    const isComplete = await sendPieces(connection, channel, data, ending)
    if (isComplete) await withinSilence(connection, ending.or(connection.send(encode.writeEnd(channel))))
  } catch (error) {
    sourceFailed.abort(error)
  }
  return await withinSilence(connection, written)
}

/**
 * Sends piece by piece; false when an ERROR of the supervisor, an abort or a lost connection ended it early: that outcome is told by
 * the request. Rejects when the source does.
 */
async function sendPieces(
  connection: Connection,
  channel: number,
  data: Uint8Array | AsyncIterable<Uint8Array>,
  ending: Ending,
): Promise<boolean> {
  const source = pieces(data)[Symbol.asyncIterator]()
  for (;;) {
    const next = await ending.or(source.next())
    if (next === ENDED) break
    if (next.done) return true
    const taken = connection.send(encode.writeData(channel, next.value))
    if ((await withinSilence(connection, ending.or(taken))) === ENDED) break
  }
  // Lets the source go; not waited for, since a source that gives nothing would never come to it.
  source.return?.(undefined).catch(() => {})
  return false
}

/** The outcome; the connection is closed when it does not come in time. The source's time does not count. */
async function withinSilence<T>(connection: Connection, outcome: Promise<T>): Promise<T> {
  const silence = setTimeout(() => connection.close(`no progress within ${SILENCE_MS} ms`), SILENCE_MS)
  try {
    return await outcome
  } finally {
    clearTimeout(silence)
  }
}

async function* pieces(data: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  if (data instanceof Uint8Array) yield* slices(data)
  else for await (const chunk of data) yield* slices(chunk)
}

function* slices(chunk: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < chunk.length; at += DATA_CHUNK_BYTES) yield chunk.subarray(at, at + DATA_CHUNK_BYTES)
}
