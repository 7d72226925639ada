import { SandboxError } from '../../errors/sandbox-error.ts'
import { formatBytes } from '../../lib/units.ts'

/** What one archive may become. */
export interface ArchiveLimits {
  /** Files and directories; what is known of each is held in memory, some 100 bytes. */
  readonly maxEntries: number
  readonly maxUnpackedBytes: number
}

export const ARCHIVE_LIMITS: ArchiveLimits = { maxEntries: 50_000, maxUnpackedBytes: 8 * 1024 ** 3 }

/** Real data is compressed a few dozen times at most; below this size nobody is hurt by more. */
const MAX_RATIO = 200
const RATIO_FREE_BYTES = 4 * 1024 * 1024

/**
 * What unpacking one archive may still give, counted as it comes and held against what of the archive was read for it: a
 * decompression bomb ends early, whatever its headers say.
 */
export class UnpackBudget {
  readonly #limits: ArchiveLimits
  readonly #archiveBytes: () => number
  #bytes = 0

  /** `archiveBytes`: how much of the archive was read so far. */
  constructor(limits: ArchiveLimits, archiveBytes: () => number) {
    this.#limits = limits
    this.#archiveBytes = archiveBytes
  }

  /** Fails with `too_large` when these are too many files and directories. */
  checkEntries(entries: number): void {
    const { maxEntries } = this.#limits
    if (entries > maxEntries) throw tooMuch(`has more than ${maxEntries} files and directories`)
  }

  /** Fails with `too_large` when an entry of this size would not fit, before any of it is unpacked. */
  announce(bytes: number): void {
    const { maxUnpackedBytes } = this.#limits
    if (this.#bytes + bytes > maxUnpackedBytes) throw tooMuch(`unpacks to more than ${formatBytes(maxUnpackedBytes)}`)
  }

  /** Counts what was unpacked; `too_large` when it is too much. */
  take(bytes: number): void {
    this.#bytes += bytes
    this.announce(0)
    if (this.#bytes > RATIO_FREE_BYTES && this.#bytes > this.#archiveBytes() * MAX_RATIO) {
      throw tooMuch(`unpacks to more than ${MAX_RATIO} times its size`)
    }
  }
}

function tooMuch(what: string): SandboxError {
  return new SandboxError('too_large', `The archive ${what}.`, {
    hint: 'Nothing was changed. Upload it without extract and unpack it with shell_exec.',
  })
}
