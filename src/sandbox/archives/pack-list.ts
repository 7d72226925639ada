import { isUtf8 } from 'node:buffer'
import { posix } from 'node:path'
import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import { formatBytes } from '../../lib/units.ts'
import { oneLine } from '../../lib/visible-text.ts'
import type { DirectoryEntry } from '../../supervisor/protocol.ts'
import type { Files } from '../files.ts'
import type { ArchiveLimits } from './unpack-budget.ts'

/** One thing to be packed, as the listing told of it. */
export interface PackEntry {
  /** In the archive. */
  readonly path: string
  /** In the sandbox. */
  readonly source: string
  readonly type: 'file' | 'directory' | 'symlink'
  /** Permission bits, without set-uid and its like. */
  readonly mode: number
  readonly mtime: Date
  readonly sizeBytes: number
  /** Of a symbolic link. */
  readonly target: string
}

/** What a path holds to be packed. */
export interface PackList {
  /** In the order of their paths' bytes, so that a directory comes before what is in it. */
  readonly entries: readonly PackEntry[]
  /** Sockets, pipes, devices, and symbolic links that lead out of the archive or that its format does not keep. */
  readonly leftOut: number
}

const PAGE_ENTRIES = 10_000
/** Deeper than paths go. */
const ALL_LEVELS = 4096
const PERMISSION_BITS = 0o777
/** Whoever is not the owner may list and enter a directory. */
const OPEN_TO_ALL = 0o005
/** Seconds that both formats hold: tar-stream and the timestamps of zip are 32 bits wide. */
const MAX_MTIME_MS = (2 ** 31 - 1) * 1000

/**
 * Lists what is below a directory, or a single file, for packing. Fails with `too_large` beyond the limits, and with `invalid_argument`
 * for a name that is not UTF-8: an archive that leaves out what it cannot hold would not be the directory. A directory that may not be
 * read is `permission_denied`.
 */
export async function listToPack(
  files: Files,
  path: string,
  { links, limits }: { links: boolean; limits: ArchiveLimits },
  signal: AbortSignal | undefined,
): Promise<PackList> {
  const root = files.absolute(path)
  const { type } = await files.stat(root, signal)
  const below = type === 'directory' ? root : posix.dirname(root)
  const entries: PackEntry[] = []
  let leftOut = 0
  let bytes = 0
  for await (const found of everything(files, root, limits, signal)) {
    const entry = packEntry(found, below, links)
    if (!entry) {
      leftOut++
      continue
    }
    if (entry.type === 'directory') await assertReadable(files, entry, signal)
    bytes += entry.sizeBytes
    if (bytes > limits.maxUnpackedBytes) {
      throw tooMuch(files.shown(root), `has more than ${formatBytes(limits.maxUnpackedBytes)}`)
    }
    entries.push(entry)
  }
  return { entries, leftOut }
}

/** All pages of a listing. What is made or removed meanwhile shifts them: an entry that comes again is passed over. */
async function* everything(
  files: Files,
  root: string,
  { maxEntries }: ArchiveLimits,
  signal: AbortSignal | undefined,
): AsyncGenerator<DirectoryEntry, void> {
  const spec = { depth: ALL_LEVELS, hidden: true, sort: 'name', globs: [], folds: [], limit: PAGE_ENTRIES } as const
  let last: Buffer | undefined
  for (let skip = 0; ;) {
    const page = await files.list(root, { ...spec, skip }, signal)
    if (page.capped) throw tooMuch(files.shown(root), 'is too large or too deep to be listed whole')
    // Its total is the sandbox's word, and tells at the first page; what came counts.
    if (Math.max(page.total, skip + page.entries.length) > maxEntries)
      throw tooMuch(files.shown(root), `has more than ${maxEntries} files and directories`)
    for (const entry of page.entries) {
      if (last && last.compare(entry.path) >= 0) continue
      last = entry.path
      yield entry
    }
    skip += page.entries.length
    if (!page.more || page.entries.length === 0) return
  }
}

function packEntry(found: DirectoryEntry, below: string, links: boolean): PackEntry | undefined {
  const { type, mode, mtimeMs, sizeBytes } = found
  if (type === 'other') return undefined
  if (!isUtf8(found.path)) {
    throw new SandboxError('invalid_argument', `${oneLine(found.path.toString())} has a name that is not UTF-8.`, {
      hint: 'Rename it, or pack it with a program in the sandbox and fetch that file.',
    })
  }
  const path = found.path.toString()
  // Whoever unpacks it may believe in it.
  if (path.split('/').some((name) => name === '' || name === '.' || name === '..')) {
    throw new SandboxError('internal', 'The sandbox listed a path that cannot be.', { details: { path } })
  }
  const target = found.target.toString()
  if (type === 'symlink' && !(links && isUtf8(found.target) && staysInside(path, target))) return undefined
  return {
    path,
    source: posix.join(below, path),
    type,
    mode: mode & PERMISSION_BITS,
    mtime: new Date(Math.min(Math.max(0, Math.trunc(mtimeMs)), MAX_MTIME_MS)),
    sizeBytes: type === 'file' ? sizeBytes : 0,
    target,
  }
}

/**
 * True if a link, wherever the archive is unpacked, leads to something within it: `..` only in front, where it goes up through
 * directories of the archive. After a name it could go up from wherever another link leads.
 */
export function staysInside(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/')) return false
  const names = target.split('/').filter((name) => name !== '' && name !== '.')
  const ups = names.findIndex((name) => name !== '..')
  const up = ups < 0 ? names.length : ups
  return up < path.split('/').length && !names.slice(up).includes('..')
}

/** A listing passes over what it may not read. */
async function assertReadable(
  files: Files,
  { source, mode }: PackEntry,
  signal: AbortSignal | undefined,
): Promise<void> {
  if ((mode & OPEN_TO_ALL) === OPEN_TO_ALL) return
  const spec = { depth: 1, hidden: true, sort: 'name', globs: [], limit: 1, skip: 0 } as const
  try {
    await files.list(source, spec, signal)
  } catch (error) {
    if (!isSandboxError(error, 'not_found')) throw error
  }
}

function tooMuch(shown: string, what: string): SandboxError {
  return new SandboxError('too_large', `${oneLine(shown)} ${what}.`, {
    hint: 'Fetch a part of it, or pack it with a program in the sandbox and fetch that file.',
  })
}
