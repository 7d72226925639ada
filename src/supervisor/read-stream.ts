import { ByteReader, MalformedBytes } from '../lib/byte-codec.ts'
import { type Connection, NO_DEADLINE, type RequestOptions } from './connection.ts'
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
/** Credit is given back in pieces of at least this size: each is a frame on its way through four processes. */
const GRANT_BYTES = WINDOW_BYTES / 4
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
    let received = 0
    /** Taken, and not granted again yet. */
    let owed = 0
    /** The closing reply came: the channel is no longer ours. */
    let replied = false
    /** It failed or was given up: the consumer gets nothing any more. */
    let stopped = false
    let silence: NodeJS.Timeout | undefined
    const finish = () => {
      clearTimeout(silence)
      silence = undefined
      signal?.removeEventListener('abort', onAbort)
    }
    const stop = (error: unknown) => {
      stopped = true
      finish()
      reject(error)
    }
    // A failed send shows as the end of the connection, which onLost reports.
    const send = (frame: Buffer) => void connection.send(frame).catch(() => {})
    const abandon = (error: unknown) => {
      if (stopped) return
      if (!replied) send(encode.abort(channel))
      stop(error)
    }
    const onAbort = () => abandon(signal?.reason)
    const count = (data: Buffer) => {
      received += data.length
      if (range.length > 0 && received > range.length) throw new MalformedBytes('more data than was asked for')
    }
    const deliver = (data: Buffer) => {
      count(data)
      undelivered += data.length
      if (undelivered + owed > WINDOW_BYTES) throw new MalformedBytes('more data than was granted')
      delivered = delivered.then(async () => {
        if (stopped) return
        await onData(data)
        undelivered -= data.length
        silence?.refresh()
        owed += data.length
        if (owed < GRANT_BYTES || replied || stopped) return
        send(encode.window(channel, owed))
        owed = 0
      })
      delivered.catch(abandon)
    }
    const deliverLast = (file: FileInfo, data: Buffer) => {
      count(data)
      clearTimeout(silence)
      silence = undefined
      delivered
        .then(() => (data.length > 0 && !stopped ? onData(data) : undefined))
        .then(() => {
          finish()
          resolve(file)
        }, abandon)
    }
    const channel = connection.openChannel({
      onFrame: (type, payload) => {
        silence?.refresh()
        if (type === FrameType.data) {
          deliver(payload)
          return 'open'
        }
        const reader = new ByteReader(payload)
        if (type === FrameType.error) {
          const { name, errno } = decode.error(reader)
          replied = true
          stop(new WireError(name, errno))
        } else if (type === FrameType.readEnd) {
          const { file, data } = decode.readEnd(reader)
          replied = true
          deliverLast(file, data)
        } else throw new MalformedBytes(`unexpected reply ${type}`)
        return 'done'
      },
      onLost: stop,
    })
    if (deadlineMs !== NO_DEADLINE) {
      silence = setTimeout(() => {
        // A consumer that takes its time is not the supervisor's silence.
        if (undelivered > 0) silence?.refresh()
        else connection.close(`no data within ${deadlineMs} ms`)
      }, deadlineMs)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    send(encode.read(channel, path, range.offset, range.length, WINDOW_BYTES))
  })
}
