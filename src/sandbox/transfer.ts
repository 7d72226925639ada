import { oneLine } from '../lib/visible-text.ts'
import type { FileInfo } from '../supervisor/protocol.ts'
import type { ArchiveKind } from './archives/entry.ts'
import { extractArchive, type ExtractOptions } from './archives/extract.ts'
import { PackedDirectory, type PackKind } from './archives/pack.ts'
import type { Extracted } from './archives/staging.ts'
import { type Announced, Arriving } from './arriving.ts'
import type { Files } from './files.ts'

/** How a file is to be written. */
export interface TransferWrite extends Announced {
  /** `create` refuses what is there (`already_exists`). */
  readonly mode: 'overwrite' | 'create'
  /** Refuse (`stale_version`) unless the file has this version, also at the very end. */
  readonly ifVersion?: bigint | undefined
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
   * which of the two contents is there. Rejects with `invalid_argument` (another sha256), `too_large`, `disk_full`, `stale_version`,
   * `already_exists` and the other errors of files, with the signal's reason, or with the source's own error.
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
    const { created, version } = await this.#files.write(path, arriving.pieces(), options, signal)
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

  /**
   * Unpacks an archive below the directory `path`, which is made if need be, as it arrives: see {@link extractArchive}. Regular files and
   * directories only, with their execute bits; anything else, and any path that leads out, refuses the whole archive
   * (`invalid_argument`). Bounded in entries, bytes and ratio (`too_large`). Nothing is changed by an archive that fails.
   */
  extract(
    source: AsyncIterable<Uint8Array>,
    kind: ArchiveKind,
    path: string,
    options: ExtractOptions,
    signal?: AbortSignal,
  ): Promise<Extracted> {
    return extractArchive(this.#files, source, kind, path, options, signal)
  }

  /**
   * A directory, or a single file, as an archive that is made while it is read: see {@link PackedDirectory}. What is packed can be
   * extracted again as it was, but for links.
   */
  pack(path: string, kind: PackKind, signal?: AbortSignal): PackedDirectory {
    return new PackedDirectory(this.#files, path, kind, signal)
  }
}
