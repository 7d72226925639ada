import { type BigIntStats, type FSWatcher, readFileSync, statSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'

/** Looked at this often where the system tells of no change: network file systems, mounted configuration, a folder made anew. */
const POLL_MS = 2000
/** Above every list of keys and tokens; a file beyond that is a mistake. */
const MAX_BYTES = 16 * 1024 ** 2

export interface WatchedFileOptions<T> {
  readonly path: string
  /** What the file is to the operator: "token file". */
  readonly what: string
  /** Its content as a value; throws when it is none. */
  readonly parse: (bytes: Buffer) => T
  /** The value until the file is made; without it the file has to be there at the start. */
  readonly whenMissing?: T
  readonly onChange?: (value: T) => void
  readonly logger: Logger
}

/**
 * The value of a file that others change while the server runs. A change is seen at once where the system tells of it, else within
 * seconds; replacing the file by rename and writing it in place both work. What cannot be read or parsed, half-written files too, is
 * warned of once, and the last good value stays until there is a better one.
 */
export class WatchedFile<T> implements Disposable {
  readonly #options: WatchedFileOptions<T>
  readonly #timer: NodeJS.Timeout
  #watcher: FSWatcher | undefined
  #value: T
  /** Of the content that was last looked at, good or not; undefined while there is no file. */
  #seen: string | undefined

  /** Throws `config_invalid` when the file cannot be used from the start. */
  constructor(options: WatchedFileOptions<T>) {
    this.#options = options
    const { path, what, whenMissing } = options
    try {
      this.#seen = signatureOf(path)
      this.#value = options.parse(readBounded(path))
    } catch (cause) {
      if (!isMissing(cause) || whenMissing === undefined) {
        throw new SandboxError('config_invalid', `The ${what} ${path} ${reasonOf(cause)}`, { cause })
      }
      this.#seen = undefined
      this.#value = whenMissing
    }
    this.#timer = setInterval(() => this.refresh(), POLL_MS).unref()
    this.#watch()
  }

  get value(): T {
    return this.#value
  }

  /** Looks whether the file has changed, and takes its value if so. */
  refresh(): void {
    const { path, what, parse, onChange, logger } = this.#options
    this.#watch()
    let signature: string | undefined
    let value: T
    try {
      signature = signatureOf(path)
      if (signature === this.#seen) return
      // Noted before reading: a write in between changes it again.
      this.#seen = signature
      value = parse(readBounded(path))
    } catch (err) {
      if (signature === undefined && this.#seen === undefined) return
      this.#seen = signature
      logger.warn({ file: path, err }, `The ${what} ${reasonOf(err)} What it said before stays in force.`)
      return
    }
    this.#value = value
    logger.info({ file: path }, `the ${what} was read again`)
    onChange?.(value)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#watcher?.close()
  }

  /** Watches the folder, since a rename puts another file in the place of the one that was watched. */
  #watch(): void {
    if (this.#watcher) return
    const { path, logger } = this.#options
    try {
      const watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
        if (name === null || name === basename(path)) this.refresh()
      })
      watcher.on('error', () => {
        watcher.close()
        this.#watcher = undefined
      })
      this.#watcher = watcher
    } catch (err) {
      // No folder yet, or no more watches in the system: the timer looks.
      logger.debug({ file: path, err }, 'cannot watch the folder')
    }
  }
}

/** Changes with every write and every replacement; the change time is the kernel's own and cannot be set back. */
function signatureOf(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs }: BigIntStats = statSync(path, { bigint: true })
  return [dev, ino, size, mtimeNs, ctimeNs].join(':')
}

function readBounded(path: string): Buffer {
  const { size } = statSync(path)
  if (size > MAX_BYTES) throw new SandboxError('config_invalid', `is larger than ${MAX_BYTES} bytes.`)
  return readFileSync(path)
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** Ends a sentence that begins with the file. */
function reasonOf(error: unknown): string {
  if (isSandboxError(error)) return error.message
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  return code === undefined ? 'is not valid.' : `cannot be read (${code}).`
}
