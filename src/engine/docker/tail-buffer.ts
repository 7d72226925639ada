/** Keeps the last bytes of a stream, whatever its length. */
export class TailBuffer {
  readonly #maxBytes: number
  #tail: Buffer = Buffer.alloc(0)

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  push(piece: Buffer): void {
    // Copies, so that a short tail does not hold on to the large chunk that it came in.
    const kept = piece.subarray(-this.#maxBytes)
    const before = this.#tail.subarray(Math.max(0, this.#tail.length + kept.length - this.#maxBytes))
    this.#tail = Buffer.concat([before, kept])
  }

  /** The kept bytes as UTF-8; what was cut or is invalid becomes U+FFFD. */
  toString(): string {
    return this.#tail.toString('utf8')
  }
}
