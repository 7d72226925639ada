import { FRAME_HEADER_BYTES } from '../lib/frame-parser.ts'
import { FrameType } from './protocol.ts'

/** Length of a full one: what the supervisor reads at once, so that none takes it two reads. */
const FRAME_BYTES = 64 * 1024
/** The length field does not count itself. */
const LENGTH_BYTES = 4

/**
 * A WRITE_DATA frame that is filled from pieces of any size, sent, and filled again: a file of whatever size takes one buffer, and its
 * bytes are copied once.
 */
export class WriteDataFrame {
  readonly #buffer = Buffer.allocUnsafe(FRAME_BYTES)
  #length = FRAME_HEADER_BYTES

  constructor(channel: number) {
    this.#buffer.writeUInt8(FrameType.writeData, LENGTH_BYTES)
    this.#buffer.writeUInt32LE(channel, LENGTH_BYTES + 1)
  }

  get isEmpty(): boolean {
    return this.#length === FRAME_HEADER_BYTES
  }

  get isFull(): boolean {
    return this.#length === FRAME_BYTES
  }

  /** Takes from `piece`, from `start` on, as much as there is room for; gives back where it stopped. */
  fill(piece: Uint8Array, start = 0): number {
    const end = Math.min(piece.length, start + FRAME_BYTES - this.#length)
    this.#buffer.set(piece.subarray(start, end), this.#length)
    this.#length += end - start
    return end
  }

  /** The frame, and room for the next one, which is not to be filled before these bytes are sent. */
  take(): Buffer {
    const whole = this.#buffer.subarray(0, this.#length)
    whole.writeUInt32LE(this.#length - LENGTH_BYTES, 0)
    this.#length = FRAME_HEADER_BYTES
    return whole
  }
}
