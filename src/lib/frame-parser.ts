import { MalformedBytes } from './byte-codec.ts'

/** Bytes of a frame before its payload: u32 length, u8 type, u32 channel. `length` counts what follows it. */
export const FRAME_HEADER_BYTES = 9
const LENGTH_BYTES = 4
const MIN_LENGTH = FRAME_HEADER_BYTES - LENGTH_BYTES

export type FrameListener = (type: number, channel: number, payload: Buffer) => void

/**
 * Cuts a byte stream into frames. A frame that lies within one chunk is handed out as a view on it; only one that spans chunks is
 * copied, once. The declared length is checked against `maxLength` before anything is allocated.
 */
export class FrameParser {
  readonly #maxLength: number
  readonly #onFrame: FrameListener
  /** The pieces of the frame that is still incomplete. */
  #pieces: Buffer[] = []
  #held = 0
  /** Bytes that the incomplete frame needs in all; 4 until its length is known. */
  #needed = LENGTH_BYTES

  constructor(maxLength: number, onFrame: FrameListener) {
    this.#maxLength = maxLength
    this.#onFrame = onFrame
  }

  /** Throws MalformedBytes for a frame that is too short or too long; the stream cannot be used after that. */
  push(chunk: Buffer): void {
    let rest = chunk
    if (this.#held > 0) {
      if (this.#held + rest.length < this.#needed) return this.#hold(rest)
      rest = this.#join(rest)
    }
    while (rest.length >= LENGTH_BYTES) {
      const size = LENGTH_BYTES + this.#checked(rest.readUInt32LE(0))
      if (rest.length < size) {
        this.#needed = size
        return this.#hold(rest)
      }
      this.#onFrame(rest.readUInt8(4), rest.readUInt32LE(5), rest.subarray(FRAME_HEADER_BYTES, size))
      rest = rest.subarray(size)
    }
    this.#needed = LENGTH_BYTES
    if (rest.length > 0) this.#hold(rest)
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
