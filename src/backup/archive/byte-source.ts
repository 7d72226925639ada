import { badArchive } from './bad-archive.ts'

/** Reads a stream of pieces by exact numbers of bytes. An end before its time is a damaged archive. */
export class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]()
  }

  /** `bytes` at once: for headers, not for content. */
  async take(bytes: number): Promise<Buffer> {
    if (this.#rest.length >= bytes) return this.#cut(bytes)
    const parts: Buffer[] = []
    let missing = bytes
    while (missing > 0) {
      const part = await this.#some(missing)
      if (!part) throw badArchive('it ends too early')
      parts.push(part)
      missing -= part.length
    }
    return Buffer.concat(parts, bytes)
  }

  /** `bytes` in the pieces that they came in. Has to be read to its end. */
  async *pieces(bytes: number): AsyncGenerator<Buffer, void> {
    for (let missing = bytes; missing > 0;) {
      const part = await this.#some(missing)
      if (!part) throw badArchive('it ends too early')
      missing -= part.length
      yield part
    }
  }

  /** True when nothing is left. */
  async isAtEnd(): Promise<boolean> {
    return this.#rest.length === 0 && !(await this.#fill())
  }

  /** Gives the source up, so that it can free what it holds. */
  async close(): Promise<void> {
    await this.#pieces.return?.()
  }

  async #some(most: number): Promise<Buffer | undefined> {
    if (this.#rest.length === 0 && !(await this.#fill())) return undefined
    return this.#cut(Math.min(most, this.#rest.length))
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#pieces.next()
      if (next.done) return false
      this.#rest = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength)
    }
    return true
  }

  #cut(bytes: number): Buffer {
    const head = this.#rest.subarray(0, bytes)
    this.#rest = this.#rest.subarray(bytes)
    return head
  }
}
