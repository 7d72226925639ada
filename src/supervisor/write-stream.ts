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
  // An ERROR of the supervisor, an abort or a lost connection ends the sending early; the outcome is `written`'s.
  let settled = false
  const ended = written.then(
    () => void (settled = true),
    () => void (settled = true),
  )
  const silence = setTimeout(() => connection.close(`no progress within ${SILENCE_MS} ms`), SILENCE_MS)
  try {
    for await (const piece of pieces(data)) {
      if (settled) break
      silence.refresh()
      await Promise.race([connection.send(encode.writeData(channel, piece)), ended])
      silence.refresh()
    }
    if (!settled) await connection.send(encode.writeEnd(channel))
  } catch (error) {
    sourceFailed.abort(error)
  }
  try {
    return await written
  } finally {
    clearTimeout(silence)
  }
}

async function* pieces(data: Uint8Array | AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  if (data instanceof Uint8Array) yield* slices(data)
  else for await (const chunk of data) yield* slices(chunk)
}

function* slices(chunk: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < chunk.length; at += DATA_CHUNK_BYTES) yield chunk.subarray(at, at + DATA_CHUNK_BYTES)
}
