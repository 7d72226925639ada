import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import * as zlib from 'node:zlib'

/** Compresses single zstd frames (RFC 8878), off the main thread. */
export interface ZstdCodec {
  compress(data: Buffer): Promise<Buffer>
  /** `frame` is one whole frame, whose header promises `size` bytes. Rejects when it is damaged. */
  decompress(frame: Buffer, size: number): Promise<Buffer>
  /** Frees its thread. */
  close(): Promise<void>
}

/** The level between speed and size that zstd itself takes by default. */
const LEVEL = 3

export function createZstdCodec(): ZstdCodec {
  return nativeCodec() ?? new WasmCodec()
}

/** What Node has since 22.15 and 23.8, and its types of version 20 do not know. */
interface ZlibWithZstd {
  zstdCompress?(data: Buffer, options: object, done: (error: Error | null, result: Buffer) => void): void
  zstdDecompress?(data: Buffer, options: object, done: (error: Error | null, result: Buffer) => void): void
  readonly constants: Readonly<Record<string, number | undefined>>
}

/** Node's own, in its thread pool; undefined where it has none. */
function nativeCodec(): ZstdCodec | undefined {
  const { zstdCompress, zstdDecompress, constants } = zlib as unknown as ZlibWithZstd
  const levelParameter = constants['ZSTD_c_compressionLevel']
  if (!zstdCompress || !zstdDecompress || levelParameter === undefined) return undefined
  const compress = promisify(zstdCompress)
  const decompress = promisify(zstdDecompress)
  return {
    // The size that is pledged stands in the frame's header.
    compress: (data) => compress(data, { params: { [levelParameter]: LEVEL }, pledgedSrcSize: data.length }),
    decompress: (frame, size) => decompress(frame, { maxOutputLength: Math.max(size, 1) }),
    close: () => Promise.resolve(),
  }
}

export interface WorkerTask {
  readonly id: number
  readonly action: 'compress' | 'decompress'
  readonly data: Uint8Array
  readonly level: number
}

interface WorkerAnswer {
  readonly id: number
  readonly result?: Uint8Array
  readonly error?: string
}

interface Waiter {
  readonly resolve: (result: Buffer) => void
  readonly reject: (error: Error) => void
}

const WORKER_FILE = new URL('zstd-worker.mjs', import.meta.url)
/** JavaScript heap of the thread: a few frames. */
const HEAP_MB = 128

class WasmCodec implements ZstdCodec {
  readonly #waiters = new Map<number, Waiter>()
  #worker: Worker | undefined
  #nextId = 1

  compress(data: Buffer): Promise<Buffer> {
    return this.#ask('compress', data)
  }

  // The frame's header was checked against the size, which bounds what is allocated.
  decompress(frame: Buffer, _size: number): Promise<Buffer> {
    return this.#ask('decompress', frame)
  }

  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }

  #ask(action: WorkerTask['action'], data: Buffer): Promise<Buffer> {
    this.#worker ??= this.#start()
    const id = this.#nextId++
    const task: WorkerTask = { id, action, data, level: LEVEL }
    const answer = new Promise<Buffer>((resolve, reject) => this.#waiters.set(id, { resolve, reject }))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    this.#worker.postMessage(task)
    return answer
  }

  #start(): Worker {
    const worker = new Worker(WORKER_FILE, {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      env: {},
      execArgv: [],
      // stdout of the server is the protocol.
      stdout: true,
      stderr: true,
    })
    worker.on('message', ({ id, result, error }: WorkerAnswer) => {
      const waiter = this.#waiters.get(id)
      this.#waiters.delete(id)
      if (result) waiter?.resolve(Buffer.from(result.buffer, result.byteOffset, result.byteLength))
      else waiter?.reject(new Error(error))
    })
    const fail = (error: Error): void => {
      for (const { reject } of this.#waiters.values()) reject(error)
      this.#waiters.clear()
      if (this.#worker === worker) this.#worker = undefined
    }
    worker.once('error', fail)
    worker.once('exit', () => fail(new Error('the thread that compresses has ended')))
    return worker
  }
}
