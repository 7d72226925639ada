import { MalformedBytes } from './byte-codec.ts'

/** Bytes of a frame before its payload: u32 length, u8 type, u32 channel. `length` counts what follows it. */
export const FRAME_HEADER_BYTES = 9
const LENGTH_BYTES = 4
const MIN_LENGTH = FRAME_HEADER_BYTES - LENGTH_BYTES

export type FrameListener = (type: number, channel: number, payload: Buffer) => void

/**
 * Cuts a byte stream into frames. A frame that lies within one chunk is handed out as a view on it; only one that spans chunks is
 * copied, once. Of a type whose payload is itself a piece of a stream, `isStream`, not even that: it is handed out as it comes, as
 * several frames. The declared length is checked against `maxLength` before anything is allocated.
 */
export class FrameParser {
  readonly #maxLength: number
  readonly #onFrame: FrameListener
  readonly #isStream: (type: number) => boolean
  /** The pieces of the frame that is still incomplete. */
  #pieces: Buffer[] = []
  #held = 0
  /** Bytes that the incomplete frame needs in all; 4 until its length is known. */
  #needed = LENGTH_BYTES
  /** Of the frame that is handed out as it comes: what of it is still to come. */
  #left = 0
  #type = 0
  #channel = 0

  constructor(maxLength: number, onFrame: FrameListener, isStream: (type: number) => boolean = () => false) {
    this.#maxLength = maxLength
    this.#onFrame = onFrame
    this.#isStream = isStream
  }

  /** Throws MalformedBytes for a frame that is too short or too long; the stream cannot be used after that. */
  push(chunk: Buffer): void {
    let rest = this.#pass(chunk)
    if (this.#held > 0) {
      if (this.#held + rest.length < this.#needed) return this.#hold(rest)
      rest = this.#join(rest)
    }
    while (rest.length >= LENGTH_BYTES) {
      const size = LENGTH_BYTES + this.#checked(rest.readUInt32LE(0))
      if (rest.length < size) {
        if (this.#begins(rest, size)) return
        return this.#hold(rest)
      }
      this.#onFrame(rest.readUInt8(4), rest.readUInt32LE(5), rest.subarray(FRAME_HEADER_BYTES, size))
      rest = rest.subarray(size)
    }
    this.#needed = LENGTH_BYTES
    if (rest.length > 0) this.#hold(rest)
  }

  /** Hands out what of the chunk belongs to the frame that is handed out as it comes; gives back the rest. */
  #pass(chunk: Buffer): Buffer {
    if (this.#left === 0) return chunk
    const piece = chunk.subarray(0, this.#left)
    this.#left -= piece.length
    if (piece.length > 0) this.#onFrame(this.#type, this.#channel, piece)
    return chunk.subarray(piece.length)
  }

  /** True if the incomplete frame is one to be handed out as it comes; else it is known how much of it to wait for. */
  #begins(rest: Buffer, size: number): boolean {
    // Without the header, which tells the type, only that is waited for.
    this.#needed = rest.length < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : size
    if (rest.length < FRAME_HEADER_BYTES || !this.#isStream(rest.readUInt8(4))) return false
    this.#needed = LENGTH_BYTES
    this.#type = rest.readUInt8(4)
    this.#channel = rest.readUInt32LE(5)
    this.#left = size - FRAME_HEADER_BYTES
    this.#pass(rest.subarray(FRAME_HEADER_BYTES))
    return true
  }

  #hold(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#held += piece.length
  }

  #join(piece: Buffer): Buffer {
    this.#hold(piece)
    const all = Buffer.concat(this.#pieces, this.#held)
    this.#pieces = []
    this.#held = 0
    return all
  }

  #checked(length: number): number {
    if (length < MIN_LENGTH || length > this.#maxLength) throw new MalformedBytes(`frame length ${length}`)
    return length
  }
}
