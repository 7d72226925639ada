import { SandboxError } from '../errors/sandbox-error.ts'
import type { StatResult, SupervisorClient, WriteResult } from '../supervisor/client.ts'
import type { ListRequest, WriteMode } from '../supervisor/encode.ts'
import type { EntryPage, FileInfo, FileLines } from '../supervisor/protocol.ts'
import type { SandboxFacts } from './facts.ts'
import { type Repeat, type SandboxLink, overLink } from './link.ts'
import { displayPath, resolvePath } from './paths.ts'
import { AMPLE_SPACE, type Space, whileRoom } from './space.ts'
import { fileFault } from './wire-faults.ts'

export interface LineRange {
  /** 1-based; negative counts from the end. */
  readonly first: number
  readonly maxLines: number
  readonly maxBytes: number
  /** Bytes kept of one line. */
  readonly maxLineBytes: number
}

export interface FileWrite {
  readonly mode: WriteMode
  readonly executable?: boolean
  readonly ifVersion?: bigint
}

/** What of a directory is listed. Of `globs` any must match; none = all. */
export interface ListSpec extends Omit<ListRequest, 'path' | 'folds'> {
  /** Names of directories that are not entered; else those that are large and dull. */
  readonly folds?: readonly string[]
}

/** A version is a u64. */
const MAX_VERSION = 2n ** 64n - 1n
/** Directories that are shown with a count instead of their content. */
const FOLDED = ['.git', 'node_modules']

/**
 * Files of one sandbox. Everything happens inside it, as its user: the kernel's permission checks decide, not path rules here. Paths
 * are absolute or relative to the workspace; errors name the path as the caller wrote it.
 */
export class Files {
  readonly #link: SandboxLink
  readonly #facts: SandboxFacts
  readonly #space: Space

  constructor(link: SandboxLink, facts: SandboxFacts, space: Space = AMPLE_SPACE) {
    this.#link = link
    this.#facts = facts
    this.#space = space
  }

  /** The absolute path that a caller means, for the arguments of a program. */
  absolute(path: string): string {
    return resolvePath(path, this.#facts.workspace)
  }

  /** The path as it is shown in results. */
  shown(path: string): string {
    return displayPath(resolvePath(path, this.#facts.workspace), this.#facts.workspace)
  }

  stat(path: string, signal?: AbortSignal): Promise<StatResult> {
    return this.#ask(path, 'anywhere', signal, (client, absolute) => client.stat(absolute, true, { signal }))
  }

  /** As stat, of a symbolic link itself. */
  lstat(path: string, signal?: AbortSignal): Promise<StatResult> {
    return this.#ask(path, 'anywhere', signal, (client, absolute) => client.stat(absolute, false, { signal }))
  }

  readLines(path: string, range: LineRange, signal?: AbortSignal): Promise<FileLines> {
    return this.#ask(path, 'anywhere', signal, (client, absolute) => client.readLines(absolute, range, { signal }))
  }

  /** A whole file in memory; `too_large` when it has more than `maxBytes`. */
  async readBytes(path: string, maxBytes: number, signal?: AbortSignal): Promise<{ file: FileInfo; data: Buffer }> {
    const read = await this.#ask(path, 'anywhere', signal, async (client, absolute) => {
      const pieces: Buffer[] = []
      const range = { offset: 0, length: maxBytes + 1 }
      const file = await client.read(absolute, range, (data) => void pieces.push(data), { signal })
      return { file, data: Buffer.concat(pieces) }
    })
    if (read.data.length > maxBytes) {
      throw new SandboxError('too_large', `${this.shown(path)} is larger than ${maxBytes} bytes.`, {
        hint: 'Read a part of it with offset and limit, or work on it with shell_exec.',
      })
    }
    return read
  }

  /** Streams a file; pieces are asked for as fast as `onData` takes them. Not repeated after a lost connection. */
  read(
    path: string,
    range: { offset: number; length: number },
    onData: (data: Buffer) => void | Promise<void>,
    signal?: AbortSignal,
  ): Promise<FileInfo> {
    return this.#ask(path, 'never', signal, (client, absolute) => client.read(absolute, range, onData, { signal }))
  }

  /**
   * Writes atomically; missing parent directories are created. After any failure the old content is there whole. Below the workspace it takes
   * room that the user must have: `disk_full`, `engine_disk_full`.
   */
  async write(
    path: string,
    data: Uint8Array | AsyncIterable<Uint8Array>,
    write: FileWrite,
    signal?: AbortSignal,
  ): Promise<WriteResult> {
    // Only a plain overwrite from memory has the same effect twice.
    const again = data instanceof Uint8Array && write.mode === 'overwrite' && write.ifVersion === undefined
    const repeat: Repeat = again ? 'anywhere' : 'never'
    const isKept = this.#isKept(path)
    if (isKept) await this.#space.require(data instanceof Uint8Array ? data.length : 0, signal)
    const source = data instanceof Uint8Array || !isKept ? data : whileRoom(data, this.#space, signal)
    const written = await this.#ask(path, repeat, signal, (client, absolute) =>
      client.write(absolute, source, { ...write, createParents: true }, { signal }),
    )
    if (isKept) this.#space.wrote(data instanceof Uint8Array ? data.length : written.sizeBytes)
    return written
  }

  /** One page of the entries below a directory. */
  list(path: string, spec: ListSpec, signal?: AbortSignal): Promise<EntryPage> {
    return this.#ask(path, 'anywhere', signal, (client, absolute) =>
      client.list({ folds: FOLDED, ...spec, path: absolute }, { signal }),
    )
  }

  /** Creates a directory and those above it; one that is there is kept as it is. Resolves to true when it was created. */
  async makeDirectory(path: string, signal?: AbortSignal, mode = 0o755): Promise<boolean> {
    if (this.#isKept(path)) await this.#space.require(0, signal)
    return await this.#ask(path, 'anywhere', signal, (client, absolute) =>
      client.mkdir(absolute, mode, true, { signal }),
    )
  }

  async remove(path: string, recursive: boolean, signal?: AbortSignal): Promise<void> {
    await this.#ask(path, 'never', signal, (client, absolute) => client.remove(absolute, recursive, { signal }))
  }

  /** Gives a file or directory another name in the same file system. What has that name is replaced, or with `noReplace` kept (`already_exists`). */
  async rename(from: string, to: string, noReplace: boolean, signal?: AbortSignal): Promise<void> {
    const source = this.absolute(from)
    await this.#ask(to, 'never', signal, (client, absolute) => client.rename(source, absolute, noReplace, { signal }))
  }

  /** By its text alone: what counts is measured, and this only says when to ask. */
  #isKept(path: string): boolean {
    return this.absolute(path).startsWith(`${this.#facts.workspace}/`)
  }

  async #ask<T>(
    path: string,
    repeat: Repeat,
    signal: AbortSignal | undefined,
    ask: (client: SupervisorClient, absolute: string) => Promise<T>,
  ): Promise<T> {
    const absolute = resolvePath(path, this.#facts.workspace)
    try {
      return await overLink(this.#link, repeat, signal, (client) => ask(client, absolute))
    } catch (error) {
      throw fileFault(error, displayPath(absolute, this.#facts.workspace))
    }
  }
}

/** The text form of a file's version, as tools show and take it. */
export function formatVersion(version: bigint): string {
  return version.toString(36)
}

/** The version of a text that formatVersion gave. 0 is none: on the wire it means "any", and would turn the check off. */
export function parseVersion(text: string): bigint {
  let value = 0n
  if (/^[1-9a-z][0-9a-z]{0,12}$/.test(text)) {
    for (const digit of text) value = value * 36n + BigInt(Number.parseInt(digit, 36))
  }
  if (value >= 1n && value <= MAX_VERSION) return value
  throw new SandboxError('invalid_argument', 'if_version: not a version.', {
    hint: 'Use the version that read_file or write_file gave.',
  })
}
