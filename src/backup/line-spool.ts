import { randomBytes } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'

const FLUSH_BYTES = 256 * 1024

/**
 * Keeps text aside until it is wanted, in a file without a name: the manifest of a million files follows their content, and does not fit
 * into memory. `directory` is the server's own.
 */
export class LineSpool implements AsyncDisposable {
  readonly #file: FileHandle
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #bytes = 0

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async create(directory: string): Promise<LineSpool> {
    const path = join(directory, `lines-${randomBytes(8).toString('hex')}.tmp`)
    const file = await open(path, 'wx+', 0o600)
    // It goes with the process, however that ends.
    await unlink(path)
    return new LineSpool(file)
  }

  get bytes(): number {
    return this.#bytes
  }

  async add(line: string): Promise<void> {
    const data = Buffer.from(line)
    this.#waiting.push(data)
    this.#waitingBytes += data.length
    this.#bytes += data.length
    if (this.#waitingBytes >= FLUSH_BYTES) await this.#flush()
  }

  /** All that was added, from the start. */
  async *read(): AsyncGenerator<Buffer, void> {
    await this.#flush()
    for (let at = 0; at < this.#bytes;) {
      const buffer = Buffer.alloc(Math.min(FLUSH_BYTES, this.#bytes - at))
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) throw new Error('the spool was cut')
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }

  async #flush(): Promise<void> {
    const data = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#waitingBytes = 0
    if (data.length > 0) await this.#file.appendFile(data)
  }
}
