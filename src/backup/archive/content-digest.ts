import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Entry } from './entry.ts'

const ZEROS = Buffer.alloc(1024 * 1024)
/** Others have their turn after so many bytes of zeros: a file may be nothing but a hole. */
const TURN_BYTES = 64 * 1024 * 1024

/**
 * SHA-256 of a file's content, holes as the zeros that they read as: it does not depend on how a file system stores them. Fed with what
 * an archive holds of the file.
 */
export class ContentDigest {
  readonly #hash = createHash('sha256')
  readonly #entry: Entry
  #run = 0
  /** Bytes of the present run that are still to come. */
  #left = 0
  /** Offset in the file. */
  #at = 0

  constructor(entry: Entry) {
    this.#entry = entry
  }

  async update(piece: Buffer): Promise<void> {
    if (!this.#entry.runs) {
      this.#hash.update(piece)
      return
    }
    for (let rest = piece; rest.length > 0;) {
      await this.#toNextRun()
      const part = rest.subarray(0, this.#left)
      this.#hash.update(part)
      this.#at += part.length
      this.#left -= part.length
      rest = rest.subarray(part.length)
    }
  }

  /** In hex. */
  async end(): Promise<string> {
    if (this.#entry.runs) await this.#zerosTo(this.#entry.size)
    return this.#hash.digest('hex')
  }

  async #toNextRun(): Promise<void> {
    while (this.#left === 0) {
      const run = this.#entry.runs?.[this.#run++]
      if (!run) throw new TypeError('more content than runs')
      await this.#zerosTo(run.offset)
      this.#left = run.bytes
    }
  }

  async #zerosTo(offset: number): Promise<void> {
    for (let turn = 0; this.#at < offset;) {
      const bytes = Math.min(ZEROS.length, offset - this.#at)
      this.#hash.update(ZEROS.subarray(0, bytes))
      this.#at += bytes
      turn += bytes
      if (turn < TURN_BYTES) continue
      turn = 0
      await nextTurn()
    }
  }
}
