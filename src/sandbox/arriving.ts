import { createHash } from 'node:crypto'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes } from '../lib/units.ts'

/** What a stream was announced to be. */
export interface Announced {
  /** Most that may arrive. */
  readonly maxBytes: number
  /** SHA-256 of all of it in hexadecimal. */
  readonly sha256?: string | undefined
}

/** A stream from outside on its way into a sandbox: counted, hashed, and held against what was announced. */
export class Arriving {
  readonly #source: AsyncIterable<Uint8Array>
  readonly #announced: Announced
  readonly #name: string
  #bytes = 0
  #sha256: string | undefined

  /** `name`: what it is for, for messages. */
  constructor(source: AsyncIterable<Uint8Array>, announced: Announced, name: string) {
    this.#source = source
    this.#announced = announced
    this.#name = name
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** In hexadecimal, of all that came. To be asked for after its end only. */
  get sha256(): string {
    if (this.#sha256 === undefined) throw new Error('the stream is not at its end')
    return this.#sha256
  }

  /** What came, once. Fails with `too_large` at the first byte too many, and at the end with `invalid_argument` for another digest. */
  async *pieces(): AsyncGenerator<Uint8Array, void> {
    const { maxBytes, sha256 } = this.#announced
    const hash = createHash('sha256')
    for await (const piece of this.#source) {
      this.#bytes += piece.length
      if (this.#bytes > maxBytes) throw tooMuch(this.#name, maxBytes)
      hash.update(piece)
      yield piece
    }
    this.#sha256 = hash.digest('hex')
    if (sha256 !== undefined && sha256.toLowerCase() !== this.#sha256) throw otherDigest(this.#sha256)
  }
}

function tooMuch(name: string, maxBytes: number): SandboxError {
  return new SandboxError('too_large', `More than ${formatBytes(maxBytes)} arrived for ${name}.`, {
    hint: 'Nothing was changed. Send less, compress it, or ask the operator for a larger limit.',
  })
}

/** The content is not what its sender said. */
export function otherDigest(actual: string): SandboxError {
  return new SandboxError('invalid_argument', `sha256 does not match: the content that arrived has ${actual}.`, {
    hint: 'Nothing was changed. Send the content again.',
  })
}
