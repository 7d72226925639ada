import { FrameType } from '../../src/supervisor/protocol.ts'

/** Something that a client asks of the engine, or over a connection that the engine has handed over. */
export interface EngineRequest {
  /** "GET", "POST", "DELETE"; FRAME for a frame to a supervisor. */
  readonly method: string
  /** Path with its query; of a frame its type in lower case: "start", "write_data". */
  readonly path: string
}

/** Bytes of one request, in the order in which they came. `begins` is there with its first ones: a head is never split. */
export interface Segment {
  readonly bytes: Buffer
  readonly begins: EngineRequest | undefined
}

const HEAD_END = '\r\n\r\n'
const LENGTH_BYTES = 4
const FRAME_HEADER_BYTES = 5
/** The first frame of a host: length 5 + 6, type HELLO, channel 0. */
const HELLO_START = Buffer.from([11, 0, 0, 0, FrameType.hello, 0, 0, 0, 0])

const FRAME_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(FrameType).map(([name, type]) => [type, name]))

type Mode = 'head' | 'body' | 'chunks' | 'upgraded' | 'frames' | 'opaque'

/**
 * Tells the requests in the bytes that a client sends over one connection: HTTP/1.1 with a length or chunks (RFC 9112), then, after an
 * upgrade, the frames of the supervisor's protocol, and any other bytes as they are. It only reads; what comes out is what came in.
 */
export class EngineRequests {
  #mode: Mode = 'head'
  #held: Buffer = Buffer.alloc(0)
  /** Bytes that are left of a body of known length or of a frame. */
  #left = 0

  /** Adds a piece. Resolves into the segments that are whole enough to be passed on. */
  push(piece: Buffer): Segment[] {
    this.#held = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
    const segments: Segment[] = []
    for (;;) {
      const segment = this.#next()
      if (!segment) return segments
      segments.push(segment)
    }
  }

  /** What was held back for a head that never became whole. */
  rest(): Buffer {
    return this.#take(this.#held.length)
  }

  #next(): Segment | undefined {
    if (this.#held.length === 0) return undefined
    if (this.#mode === 'head') return this.#head()
    if (this.#mode === 'body') return this.#counted('head')
    if (this.#mode === 'chunks') return this.#chunk()
    if (this.#mode === 'upgraded') return this.#afterUpgrade()
    if (this.#mode === 'frames') return this.#frame()
    return { bytes: this.#take(this.#held.length), begins: undefined }
  }

  #head(): Segment | undefined {
    const end = this.#held.indexOf(HEAD_END)
    if (end === -1) return undefined
    const bytes = this.#take(end + HEAD_END.length)
    const head = bytes.toString('latin1')
    const [method = '', path = ''] = head.split(' ', 2)
    const lengthOf = /^content-length:\s*(\d+)/im.exec(head)?.[1]
    if (/^upgrade:/im.test(head)) this.#mode = 'upgraded'
    else if (/^transfer-encoding:\s*chunked/im.test(head)) this.#mode = 'chunks'
    else this.#left = Number(lengthOf ?? 0)
    if (this.#left > 0) this.#mode = 'body'
    // The body of an upgrade comes before the other protocol begins.
    if (this.#mode === 'upgraded') this.#left = Number(lengthOf ?? 0)
    return { bytes, begins: { method, path } }
  }

  /** A piece of what has `#left` bytes; when it is whole, `then` begins. */
  #counted(then: Mode): Segment {
    const bytes = this.#take(Math.min(this.#left, this.#held.length))
    this.#left -= bytes.length
    if (this.#left === 0) this.#mode = then
    return { bytes, begins: undefined }
  }

  /** Uploads are not looked into: the last chunk ends them, and no request follows on a connection before its reply. */
  #chunk(): Segment {
    const bytes = this.#take(this.#held.length)
    if (bytes.toString('latin1').endsWith(`0${HEAD_END}`)) this.#mode = 'head'
    return { bytes, begins: undefined }
  }

  #afterUpgrade(): Segment | undefined {
    if (this.#left > 0) return this.#counted('upgraded')
    if (this.#held.length < HELLO_START.length && HELLO_START.subarray(0, this.#held.length).equals(this.#held))
      return undefined
    this.#mode = this.#held.subarray(0, HELLO_START.length).equals(HELLO_START) ? 'frames' : 'opaque'
    return this.#next()
  }

  #frame(): Segment | undefined {
    if (this.#left > 0) return this.#counted('frames')
    if (this.#held.length < LENGTH_BYTES + FRAME_HEADER_BYTES) return undefined
    const path = FRAME_NAMES.get(this.#held.readUInt8(LENGTH_BYTES)) ?? 'unknown'
    this.#left = LENGTH_BYTES + this.#held.readUInt32LE(0)
    return { bytes: this.#counted('frames').bytes, begins: { method: 'FRAME', path } }
  }

  #take(length: number): Buffer {
    const bytes = this.#held.subarray(0, length)
    this.#held = this.#held.subarray(length)
    return bytes
  }
}
