import { Readable } from 'node:stream'
import { RandomAccessReader } from 'yauzl'
import type { TransferRange } from '../transfer.ts'

/** Pieces of a range of a file, in order. */
export type ReadRange = (range: TransferRange) => AsyncIterable<Buffer>

const BLOCK_BYTES = 64 * 1024
/** Directory and contents are read in turns: enough for both, and for a little of what was read before. */
const KEPT_BLOCKS = 8

/**
 * A file in a sandbox as yauzl reads files. A zip is read by many small pieces; they are taken from a few blocks that are kept, so that
 * an archive of small files costs one request for 64 KiB of it and not three for each of them.
 */
export class SandboxFileReader extends RandomAccessReader {
  readonly #readRange: ReadRange
  /** By number, the least recently used first. */
  readonly #blocks = new Map<number, Promise<Buffer>>()

  constructor(readRange: ReadRange) {
    super()
    this.#readRange = readRange
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.#slice(position, position + length).then(
      (data) => {
        data.copy(buffer, offset)
        callback(data.length < length ? new Error('unexpected end of the file') : null)
      },
      (error: unknown) => callback(error as Error),
    )
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const isSmall = end - start <= BLOCK_BYTES
    const range = { offset: start, length: end - start }
    return Readable.from(isSmall ? this.#once(start, end) : this.#readRange(range), { objectMode: false })
  }

  async *#once(start: number, end: number): AsyncGenerator<Buffer, void> {
    yield await this.#slice(start, end)
  }

  async #slice(start: number, end: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    for (let at = start; at < end;) {
      const number = Math.floor(at / BLOCK_BYTES)
      const from = at - number * BLOCK_BYTES
      const piece = (await this.#block(number)).subarray(from, from + end - at)
      if (piece.length === 0) break
      pieces.push(piece)
      at += piece.length
    }
    return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces)
  }

  #block(number: number): Promise<Buffer> {
    const block = this.#blocks.get(number) ?? this.#readBlock(number)
    this.#blocks.delete(number)
    this.#blocks.set(number, block)
    const [oldest] = this.#blocks.keys()
    if (this.#blocks.size > KEPT_BLOCKS && oldest !== undefined) this.#blocks.delete(oldest)
    return block
  }

  async #readBlock(number: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    const range = { offset: number * BLOCK_BYTES, length: BLOCK_BYTES }
    for await (const piece of this.#readRange(range)) pieces.push(piece)
    return Buffer.concat(pieces)
  }
}
