import { createHash } from 'node:crypto'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes } from '../lib/units.ts'
import { oneLine } from '../lib/visible-text.ts'
import type { FileInfo } from '../supervisor/protocol.ts'
import type { Files } from './files.ts'

/** How a file is to be written. */
export interface TransferWrite {
  /** `create` refuses what is there (`already_exists`). */
  readonly mode: 'overwrite' | 'create'
  /** Refuse (`stale_version`) unless the file has this version, also at the very end. */
  readonly ifVersion?: bigint | undefined
  /** SHA-256 of the whole content in hexadecimal; anything else that arrives is refused. */
  readonly sha256?: string | undefined
  /** Most that may arrive. */
  readonly maxBytes: number
  /** Adds the execute bit wherever there is a read bit. */
  readonly executable?: boolean | undefined
}

/** A file as it was written. */
export interface Transferred {
  readonly created: boolean
  readonly bytes: number
  /** SHA-256 of what arrived, in hexadecimal. */
  readonly sha256: string
  readonly version: bigint
}

/** Bytes of a file: from `offset` on, at most `length`; 0 = to the end. */
export interface TransferRange {
  readonly offset: number
  readonly length: number
}

/**
 * Files of any size, in and out of one sandbox as streams: what a stream holds in memory is a window, whatever the size of the file.
 * The caller holds a lease for as long as a stream lasts, or the sandbox could be put to sleep in the middle.
 */
export class Transfer {
  readonly #files: Files

  constructor(files: Files) {
    this.#files = files
  }

  /**
   * Writes a file from a stream, which is asked for more only as fast as the sandbox takes it. The file changes at the very end and as
   * a whole: when anything fails before (the source, the signal, the digest, the disk, the connection) the old content is there and
   * nothing else is left but parent directories, which are created first. A signal or a cut while the end is under way leaves open
   * which of the two contents is there. Rejects with `invalid_argument` (another sha256),
   * `too_large`, `disk_full`, `stale_version`, `already_exists` and the other errors of files, with the signal's reason, or with the
   * source's own error.
   */
  async write(
    path: string,
    source: AsyncIterable<Uint8Array>,
    write: TransferWrite,
    signal?: AbortSignal,
  ): Promise<Transferred> {
    const { mode, ifVersion, executable } = write
    const arriving = new Arriving(source, write, oneLine(this.#files.shown(path)))
    const options = {
      mode,
      ...(ifVersion !== undefined && { ifVersion }),
      ...(executable !== undefined && { executable }),
    }
    const { created, version } = await this.#files.write(path, arriving.checked(), options, signal)
    return { created, bytes: arriving.bytes, sha256: arriving.sha256, version }
  }

  /**
   * Reads a file, or a range of it, into `sink`, piece by piece in order; a sink that returns a promise is waited for. Resolves to what
   * the file was when it was opened: one that is replaced meanwhile is read whole in its old state. One that is changed in place is
   * not: its size, or the version that a stat gives afterwards, then differs. A lost connection ends it (`sandbox_stopped`); it
   * can be taken up at the offset reached.
   */
  read(
    path: string,
    range: TransferRange,
    sink: (chunk: Buffer) => void | Promise<void>,
    signal?: AbortSignal,
  ): Promise<FileInfo> {
    return this.#files.read(path, range, sink, signal)
  }
}

/** Counts and hashes what passes, and fails at the end, before the file is put in place, when it is not what was announced. */
class Arriving {
  readonly #source: AsyncIterable<Uint8Array>
  readonly #expected: TransferWrite
  readonly #shown: string
  #bytes = 0
  #sha256 = ''

  constructor(source: AsyncIterable<Uint8Array>, expected: TransferWrite, shown: string) {
    this.#source = source
    this.#expected = expected
    this.#shown = shown
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Known once all has passed. */
  get sha256(): string {
    return this.#sha256
  }

  async *checked(): AsyncGenerator<Uint8Array, void> {
    const { maxBytes, sha256 } = this.#expected
    const hash = createHash('sha256')
    for await (const chunk of this.#source) {
      this.#bytes += chunk.length
      if (this.#bytes > maxBytes) throw tooLarge(this.#shown, maxBytes)
      hash.update(chunk)
      yield chunk
    }
    this.#sha256 = hash.digest('hex')
    if (sha256 !== undefined && sha256.toLowerCase() !== this.#sha256) throw otherDigest(this.#sha256)
  }
}

function tooLarge(shown: string, maxBytes: number): SandboxError {
  return new SandboxError('too_large', `More than ${formatBytes(maxBytes)} arrived for ${shown}.`, {
    hint: 'Nothing was changed. Send less, compress it, or ask the operator for a larger limit.',
  })
}

/** The content is not what its sender said. */
export function otherDigest(actual: string): SandboxError {
  return new SandboxError('invalid_argument', `sha256 does not match: the content that arrived has ${actual}.`, {
    hint: 'Nothing was changed. Send the content again.',
  })
}
