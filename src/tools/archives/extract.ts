import { posix } from 'node:path'
import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import type { Files } from '../../sandbox/files.ts'
import { type ArchiveEntry, type ArchiveKind, checkedEntries } from './archive.ts'
import { readTar } from './read-tar.ts'
import { readZip } from './read-zip.ts'

export interface ExtractTarget {
  readonly files: Files
  /** The directory that the entries come below. */
  readonly path: string
  readonly overwrite: boolean
  readonly signal: AbortSignal
}

export interface Extracted {
  readonly files: number
  readonly bytes: number
}

/**
 * Unpacks an archive below a directory. Unpacked here rather than by a program in the sandbox, so that it works in every runtime. It
 * is read twice: checked to its end first, so that a bad archive leaves nothing behind, then written; neither time is more of it in
 * memory than a piece. When writing fails, the files that this call created are removed again.
 */
export async function extractArchive(bytes: Buffer, kind: ArchiveKind, target: ExtractTarget): Promise<Extracted> {
  const open = () => checkedEntries(kind === 'zip' ? readZip(bytes) : readTar(bytes, kind), bytes.length)
  await check(open(), target)
  const created: string[] = []
  try {
    return await write(open(), target, created)
  } catch (error) {
    const kept = await removeAgain(created, target.files)
    throw withConsequence(error, kept)
  }
}

async function check(
  entries: AsyncIterable<ArchiveEntry>,
  { files, path, overwrite, signal }: ExtractTarget,
): Promise<void> {
  for await (const entry of entries) {
    signal.throwIfAborted()
    const there = posix.join(path, entry.path)
    if (!overwrite && entry.type === 'file' && (await exists(files, there, signal))) {
      throw new SandboxError('already_exists', `${files.shown(there)} exists already.`, {
        hint: 'Nothing was written. Choose another path, or allow overwriting.',
      })
    }
    for await (const piece of entry.content()) void piece
  }
}

async function exists(files: Files, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    await files.stat(path, signal)
    return true
  } catch (error) {
    if (isSandboxError(error, 'not_found')) return false
    throw error
  }
}

async function write(
  entries: AsyncIterable<ArchiveEntry>,
  target: ExtractTarget,
  created: string[],
): Promise<Extracted> {
  const { files, path, overwrite, signal } = target
  const mode = overwrite ? 'overwrite' : 'create'
  let count = 0
  let bytes = 0
  await files.makeDirectory(path, signal)
  for await (const entry of entries) {
    const there = posix.join(path, entry.path)
    if (entry.type === 'directory') {
      await files.makeDirectory(there, signal)
      continue
    }
    const counted = countBytes(entry.content(), (length) => (bytes += length))
    const written = await files.write(there, counted, { mode, executable: entry.executable }, signal)
    if (written.created) created.push(there)
    count++
  }
  return { files: count, bytes }
}

async function* countBytes(pieces: AsyncIterable<Uint8Array>, add: (bytes: number) => void): AsyncIterable<Uint8Array> {
  for await (const piece of pieces) {
    add(piece.length)
    yield piece
  }
}

/** Removes what was created; resolves to the number of files that could not be removed. */
async function removeAgain(created: readonly string[], files: Files): Promise<number> {
  let kept = 0
  for (const path of created) {
    try {
      await files.remove(path, false)
    } catch (error) {
      // Gone already, or the sandbox is: the first failure is what the caller must hear of.
      if (!isSandboxError(error)) throw error
      if (error.code !== 'not_found') kept++
    }
  }
  return kept
}

function withConsequence(error: unknown, kept: number): unknown {
  if (!isSandboxError(error)) return error
  const consequence =
    kept === 0
      ? 'New files of this call were removed again; files that were there before may be overwritten.'
      : `${kept} new files of this call are still there.`
  return new SandboxError(error.code, error.message, {
    hint: `${error.hint} ${consequence}`,
    details: error.details,
    cause: error,
  })
}
