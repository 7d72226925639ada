/** Appends little-endian fields to a growing buffer. Lengths and counts are u32, as in the supervisor's protocol. */
export class ByteWriter {
  #buffer: Buffer
  #length = 0

  constructor(initialBytes = 256) {
    this.#buffer = Buffer.allocUnsafe(initialBytes)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    this.#length = this.#room(1).writeUInt8(value, this.#length)
    return this
  }

  u16(value: number): this {
    this.#length = this.#room(2).writeUInt16LE(value, this.#length)
    return this
  }

  u32(value: number): this {
    this.#length = this.#room(4).writeUInt32LE(value, this.#length)
    return this
  }

  i32(value: number): this {
    this.#length = this.#room(4).writeInt32LE(value, this.#length)
    return this
  }

  u64(value: bigint | number): this {
    this.#length = this.#room(8).writeBigUInt64LE(BigInt(value), this.#length)
    return this
  }

  i64(value: bigint | number): this {
    this.#length = this.#room(8).writeBigInt64LE(BigInt(value), this.#length)
    return this
  }

  raw(data: Uint8Array): this {
    this.#room(data.length).set(data, this.#length)
    this.#length += data.length
    return this
  }

  /** u32 length, then the bytes. */
  bytes(data: Uint8Array): this {
    return this.u32(data.length).raw(data)
  }

  /** u32 length in bytes, then the text as UTF-8. */
  text(value: string): this {
    const size = Buffer.byteLength(value)
    this.u32(size)
    this.#length += this.#room(size).write(value, this.#length)
    return this
  }

  texts(values: readonly (string | Uint8Array)[]): this {
    this.u32(values.length)
    for (const value of values) {
      if (typeof value === 'string') this.text(value)
      else this.bytes(value)
    }
    return this
  }

  /** Overwrites four bytes at `offset`, for a length that is known only at the end. */
  patchU32(offset: number, value: number): this {
    this.#buffer.writeUInt32LE(value, offset)
    return this
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #room(extra: number): Buffer {
    const needed = this.#length + extra
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
      this.#buffer.copy(larger, 0, 0, this.#length)
      this.#buffer = larger
    }
    return this.#buffer
  }
}

/** A payload that is cut, has bytes left over, or holds a value out of its range. */
export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes'
}

/** Reads little-endian fields from a buffer that may be hostile: every read is checked against the end. */
export class ByteReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  get remaining(): number {
    return this.#buffer.length - this.#at
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1))
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#take(2))
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4))
  }

  i32(): number {
    return this.#buffer.readInt32LE(this.#take(4))
  }

  u64(): bigint {
    return this.#buffer.readBigUInt64LE(this.#take(8))
  }

  i64(): bigint {
    return this.#buffer.readBigInt64LE(this.#take(8))
  }

  /** A u64 that counts bytes, milliseconds or the like, as a number: at most 2^53 - 1, more is malformed. */
  count64(): number {
    const value = this.u64()
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new MalformedBytes('count out of range')
    return Number(value)
  }

  /** A view on the buffer, not a copy. */
  bytes(): Buffer {
    const length = this.u32()
    const start = this.#take(length)
    return this.#buffer.subarray(start, start + length)
  }

  /** Text in UTF-8; what is invalid becomes U+FFFD. */
  text(): string {
    return this.bytes().toString('utf8')
  }

  /** All that is left. */
  rest(): Buffer {
    const start = this.#take(this.remaining)
    return this.#buffer.subarray(start)
  }

  /** A list whose elements take at least `minBytes` each, so that a forged count cannot make us allocate. */
  list<T>(minBytes: number, read: (reader: this) => T): T[] {
    const count = this.u32()
    if (count * minBytes > this.remaining) throw new MalformedBytes('count out of range')
    return Array.from({ length: count }, () => read(this))
  }

  end(): void {
    if (this.remaining > 0) throw new MalformedBytes(`${this.remaining} bytes left over`)
  }

  #take(size: number): number {
    const start = this.#at
    if (size > this.#buffer.length - start) throw new MalformedBytes('cut short')
    this.#at = start + size
    return start
  }
}
