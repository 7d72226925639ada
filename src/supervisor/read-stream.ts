import { ByteReader, MalformedBytes } from '../lib/byte-codec.ts'
import type { Connection, RequestOptions } from './connection.ts'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import { WireError } from './errors.ts'
import { type FileInfo, FrameType } from './protocol.ts'

export interface ReadRange {
  /** First byte. */
  readonly offset: number
  /** Bytes at most; 0 = to the end. */
  readonly length: number
}

/** Bytes that the supervisor may send ahead of a consumer that is slower than it. */
const WINDOW_BYTES = 1024 * 1024
/** Silence after which the connection counts as dead, in milliseconds. */
const SILENCE_MS = 30_000

/**
 * Reads a file, or a range of it, as a stream: `onData` gets every piece in order, and
 * further pieces are granted only as fast as it takes them. Resolves to what the file
 * was when it was opened: a file that is replaced meanwhile is read whole in its old state.
 */
export function readFileStream(
  connection: Connection,
  path: string,
  range: ReadRange,
  onData: (data: Buffer) => void | Promise<void>,
  options: RequestOptions = {},
): Promise<FileInfo> {
  const { signal, deadlineMs = SILENCE_MS } = options
  return new Promise<FileInfo>((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    let delivered: Promise<unknown> = Promise.resolve()
    /** Bytes that arrived and were not taken yet: never more than was granted. */
    let undelivered = 0
    const finish = () => {
      clearTimeout(silence)
      signal?.removeEventListener('abort', onAbort)
    }
    const stop = (error: unknown) => {
      finish()
      reject(error)
    }
    // A frame that cannot be sent means that the connection is lost, which onLost reports.
    const send = (frame: Buffer) => void connection.send(frame).catch(() => {})
    const abandon = (error: unknown) => {
      send(encode.abort(channel))
      stop(error)
    }
    const onAbort = () => abandon(signal?.reason)
    const silence = setTimeout(() => {
      // A consumer that takes its time is not the supervisor's silence.
      if (undelivered > 0) silence.refresh()
      else connection.close(`no data within ${deadlineMs} ms`)
    }, deadlineMs)
    const deliver = (data: Buffer) => {
      undelivered += data.length
      if (undelivered > WINDOW_BYTES) throw new MalformedBytes('more data than was granted')
      delivered = delivered
        .then(() => onData(data))
        .then(() => {
          undelivered -= data.length
          silence.refresh()
          send(encode.window(channel, data.length))
        })
      delivered.catch(abandon)
    }
    const channel = connection.openChannel({
      onFrame: (type, payload) => {
        silence.refresh()
        if (type === FrameType.data) {
          deliver(payload)
          return 'open'
        }
        const reader = new ByteReader(payload)
        if (type === FrameType.error) {
          const { name, errno } = decode.error(reader)
          stop(new WireError(name, errno))
        } else if (type === FrameType.readEnd) {
          const { file, data } = decode.readEnd(reader)
          finish()
          delivered.then(() => (data.length > 0 ? onData(data) : undefined)).then(() => resolve(file), reject)
        } else throw new MalformedBytes(`unexpected reply ${type}`)
        return 'done'
      },
      onLost: stop,
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    send(encode.read(channel, path, range.offset, range.length, WINDOW_BYTES))
  })
}
