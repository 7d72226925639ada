import { SandboxError } from '../../errors/sandbox-error.ts'
import { visibleName } from '../render/file-name.ts'

export type ArchiveKind = 'tar' | 'tar.gz' | 'zip'

/** One thing in an archive, as its reader found it: nothing is checked yet. */
export interface RawEntry {
  readonly path: string
  /** `refused` names what else it is: "a symbolic link", "a device". */
  readonly type: 'file' | 'directory' | { readonly refused: string }
  readonly executable: boolean
  /** What the archive says; the content counts. */
  readonly declaredBytes: number
  /** Must be read to its end before the next entry is asked for. */
  content(): AsyncIterable<Uint8Array>
}

export interface ArchiveEntry {
  /** Relative, without `.`, `..` or empty parts. */
  readonly path: string
  readonly type: 'file' | 'directory'
  readonly executable: boolean
  content(): AsyncIterable<Uint8Array>
}

const MAX_ENTRIES = 2000
const MAX_UNPACKED_BYTES = 64 * 1024 * 1024
/** Real data is compressed a few dozen times at most; below this size nobody is hurt by more. */
const MAX_RATIO = 200
const RATIO_FREE_BYTES = 4 * 1024 * 1024
const NAME_MAX_BYTES = 255
const PATH_MAX_BYTES = 1024

/** The faults of an archive that a reader reports. */
export function damaged(kind: ArchiveKind, cause?: unknown): SandboxError {
  return new SandboxError('invalid_argument', `content is not a readable ${kind} archive.`, {
    hint: 'Check extract and encoding ("base64"), or upload it without extract and unpack it with shell_exec.',
    cause,
  })
}

/**
 * Passes the entries of an archive on, each checked: no absolute path or `..` (writing outside the target), no link (writing through
 * one), no device, no encryption; bounded in number, size and ratio, all counted as the content comes (decompression bombs).
 */
export async function* checkedEntries(raw: AsyncIterable<RawEntry>, archiveBytes: number): AsyncIterable<ArchiveEntry> {
  const budget = new UnpackedBudget(archiveBytes)
  const seen = new Map<string, ArchiveEntry['type']>()
  for await (const each of raw) {
    const path = checkedPath(each.path)
    if (typeof each.type !== 'string') throw refuse(each.path, `is ${each.type.refused}`)
    // "./" itself is in most archives of a directory.
    if (path !== '') {
      remember(seen, path, each.type)
      if (seen.size > MAX_ENTRIES) throw tooMuch(`has more than ${MAX_ENTRIES} entries`)
    } else if (each.type === 'file') throw refuse(each.path, 'has no name')
    budget.announce(each.declaredBytes)
    const type = each.type
    if (path !== '') yield { path, type, executable: each.executable, content: () => budget.count(each) }
  }
}

class UnpackedBudget {
  readonly #archiveBytes: number
  #bytes = 0

  constructor(archiveBytes: number) {
    this.#archiveBytes = archiveBytes
  }

  announce(bytes: number): void {
    this.#check(this.#bytes + bytes)
  }

  async *count(entry: RawEntry): AsyncIterable<Uint8Array> {
    for await (const piece of entry.content()) {
      this.#bytes += piece.length
      this.#check(this.#bytes)
      yield piece
    }
  }

  #check(bytes: number): void {
    if (bytes > MAX_UNPACKED_BYTES) throw tooMuch('unpacks to more than 64 MiB')
    if (bytes > RATIO_FREE_BYTES && bytes > this.#archiveBytes * MAX_RATIO) {
      throw tooMuch(`unpacks to more than ${MAX_RATIO} times its size`)
    }
  }
}

function checkedPath(path: string): string {
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) throw refuse(path, 'has an absolute path')
  if (path.includes('\0') || path.includes('\\')) throw refuse(path, 'has a NUL or a backslash in its path')
  const names = path.split('/').filter((name) => name !== '' && name !== '.')
  if (names.includes('..')) throw refuse(path, 'leads out of the target directory with ".."')
  const isTooLong =
    Buffer.byteLength(path) > PATH_MAX_BYTES || names.some((name) => Buffer.byteLength(name) > NAME_MAX_BYTES)
  if (isTooLong) throw refuse(path, 'has too long a path')
  return names.join('/')
}

/** Refuses a path that is a file here and a directory there: writing it would fail halfway. */
function remember(seen: Map<string, ArchiveEntry['type']>, path: string, type: ArchiveEntry['type']): void {
  for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
    if (seen.get(path.slice(0, at)) === 'file') throw refuse(path, 'lies below a file')
    seen.set(path.slice(0, at), 'directory')
  }
  const before = seen.get(path)
  if (before !== undefined && (before !== type || type === 'file')) throw refuse(path, 'is there twice')
  seen.set(path, type)
}

function refuse(path: string, why: string): SandboxError {
  return new SandboxError('invalid_argument', `The archive is refused: ${visibleName(path.slice(0, 200))} ${why}.`, {
    hint: 'Nothing was written. Leave the entry out, or upload the archive without extract and unpack it with shell_exec.',
  })
}

function tooMuch(what: string): SandboxError {
  return new SandboxError('too_large', `The archive ${what}.`, {
    hint: 'Nothing was written. Upload it without extract and unpack it with shell_exec.',
  })
}
