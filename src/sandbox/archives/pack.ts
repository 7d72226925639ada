import { SandboxError } from '../../errors/sandbox-error.ts'
import { oneLine } from '../../lib/visible-text.ts'
import type { Files } from '../files.ts'
import { loadContents } from './pack-content.ts'
import { listToPack, type PackEntry } from './pack-list.ts'
import { ARCHIVE_LIMITS, type ArchiveLimits } from './unpack-budget.ts'
import { writeTarGz } from './write-tar.ts'
import { writeZip } from './write-zip.ts'

export type PackKind = 'tar.gz' | 'zip'

/** What is called a drive, or made a separator, by what reads zip archives elsewhere. */
const NOT_IN_ZIP = /\\|^[A-Za-z]:/

/**
 * A directory as an archive, or a single file: built here from listings and reads, piece by piece as it is asked for. Paths are relative
 * to the directory, in the order of their bytes; permission bits and times are kept, owners are not.
 *
 * All that speaks against it before the first byte is told by the first `next()`: `not_found`, `permission_denied`, `too_large`,
 * `invalid_argument` (a name that the format cannot hold). After that a fault fails the stream, which then has no valid end: a large
 * file that changed while it was read (`stale_version`), a lost connection. To leave the loop early ends the reading.
 */
export class PackedDirectory implements AsyncIterable<Buffer> {
  readonly #files: Files
  readonly #path: string
  readonly #kind: PackKind
  readonly #limits: ArchiveLimits
  readonly #signal: AbortSignal | undefined
  #leftOut = 0

  constructor(files: Files, path: string, kind: PackKind, signal?: AbortSignal, limits = ARCHIVE_LIMITS) {
    this.#files = files
    this.#path = path
    this.#kind = kind
    this.#limits = limits
    this.#signal = signal
  }

  /**
   * Known from the first piece on: the number of sockets, pipes and devices, and of symbolic links that lead out of the directory; in a
   * zip of all symbolic links.
   */
  get leftOut(): number {
    return this.#leftOut
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void> {
    const links = this.#kind === 'tar.gz'
    const stop = new AbortController()
    const onAbort = () => stop.abort(this.#signal?.reason)
    this.#signal?.throwIfAborted()
    this.#signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const { entries, leftOut } = await listToPack(
        this.#files,
        this.#path,
        { links, limits: this.#limits },
        stop.signal,
      )
      if (!links) entries.forEach(assertForZip)
      this.#leftOut = leftOut
      const loaded = loadContents(this.#files, entries, stop.signal)
      yield* links ? writeTarGz(loaded) : writeZip(loaded)
    } finally {
      this.#signal?.removeEventListener('abort', onAbort)
      // Reads that are still under way, here or ahead.
      stop.abort()
    }
  }
}

function assertForZip({ path }: PackEntry): void {
  if (!NOT_IN_ZIP.test(path)) return
  throw new SandboxError('invalid_argument', `${oneLine(path)} has a name that a zip archive cannot hold.`, {
    hint: 'Pack it as tar.gz, or rename it.',
  })
}
