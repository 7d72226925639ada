import { Ending, ENDED } from '../lib/ending.ts'
import { type Connection, NO_DEADLINE, type RequestOptions } from './connection.ts'
import type { WriteResult } from './client.ts'
import { decode } from './decode.ts'
import { encode, type WriteMode } from './encode.ts'
import { ConnectionLost } from './errors.ts'
import { FrameType } from './protocol.ts'
import { WriteDataFrame } from './write-data-frame.ts'

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
  const sending = new Sending(connection, channel, written)
  try {
    await sending.all(data instanceof Uint8Array ? [data] : data)
  } catch (error) {
    sourceFailed.abort(error)
  }
  return await sending.outcome()
}

/** Sends the content of one open WRITE, until all is sent or the write has its outcome before. */
class Sending {
  readonly #connection: Connection
  readonly #channel: number
  readonly #frame: WriteDataFrame
  readonly #written: Promise<WriteResult>
  readonly #ending: Ending
  readonly #silence: NodeJS.Timeout
  #isComplete = false
  /** The source's time does not count as the supervisor's silence. */
  #isWaitingForSource = false

  constructor(connection: Connection, channel: number, written: Promise<WriteResult>) {
    this.#connection = connection
    this.#channel = channel
    this.#frame = new WriteDataFrame(channel)
    this.#written = written
    this.#ending = new Ending(written)
    this.#silence = setTimeout(() => {
      if (this.#isWaitingForSource) this.#silence.refresh()
      else connection.close(`no progress within ${SILENCE_MS} ms`)
    }, SILENCE_MS)
    const end = (): void => clearTimeout(this.#silence)
    written.then(end, end)
  }

  /** Resolves when all is sent, or when an ERROR, an abort or a lost connection ended it. Rejects when the source does. */
  async all(data: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    const source = Symbol.asyncIterator in data ? data[Symbol.asyncIterator]() : data[Symbol.iterator]()
    while (!this.#ending.hasEnded) {
      this.#isWaitingForSource = true
      const next = await this.#ending.or(Promise.resolve(source.next()))
      this.#isWaitingForSource = false
      if (next === ENDED) break
      if (next.done) return await this.#finish()
      await this.#sendPiece(next.value)
    }
    // Lets the source go; not waited for, since a source that gives nothing would never come to it.
    void Promise.resolve(source.return?.(undefined)).catch(() => {})
  }

  /** What became of the write. A supervisor that says it is written before it has all of it is none of ours. */
  async outcome(): Promise<WriteResult> {
    const result = await this.#written
    if (this.#isComplete) return result
    this.#connection.close('the supervisor broke the protocol: WRITTEN before the end')
    throw new ConnectionLost('the supervisor said that a file was written before it had all of it')
  }

  async #finish(): Promise<void> {
    if (!this.#frame.isEmpty) await this.#send(this.#frame.take())
    if (this.#ending.hasEnded) return
    this.#isComplete = true
    await this.#send(encode.writeEnd(this.#channel))
  }

  async #sendPiece(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length && !this.#ending.hasEnded;) {
      at = this.#frame.fill(piece, at)
      if (this.#frame.isFull) await this.#send(this.#frame.take())
    }
  }

  /** Resolves when the connection has taken the frame, or will not any more. */
  async #send(frame: Buffer): Promise<void> {
    this.#silence.refresh()
    await this.#ending.or(this.#connection.send(frame))
  }
}
