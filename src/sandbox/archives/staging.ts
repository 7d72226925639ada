import { posix } from 'node:path'
import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import { TaskGroup } from '../../lib/task-group.ts'
import type { Files } from '../files.ts'
import { stagingName } from '../temporary-names.ts'
import type { ArchiveEntry } from './entry.ts'

/** Files up to this size are written beside each other: each waits for the disk. */
const SMALL_BYTES = 64 * 1024
const WRITES_AT_ONCE = 16

/** What was unpacked. */
export interface Extracted {
  readonly files: number
  /** Of their contents. */
  readonly bytes: number
}

/**
 * Where an archive is unpacked first: a new name in `target`, or in the nearest directory above that is there, so that it is in the same
 * file system and renames can put everything in place at the end.
 */
export async function stagingPath(files: Files, target: string, signal: AbortSignal | undefined): Promise<string> {
  const base = await nearestDirectory(files, files.absolute(target), signal)
  return posix.join(base, stagingName())
}

/** Writes all entries below `staged`. Nothing is being written any more when this settles. */
export async function stageEntries(
  files: Files,
  entries: AsyncIterable<ArchiveEntry>,
  staged: string,
  signal: AbortSignal | undefined,
): Promise<Extracted> {
  const small = new TaskGroup(WRITES_AT_ONCE)
  let count = 0
  let bytes = 0
  try {
    for await (const entry of entries) {
      signal?.throwIfAborted()
      const path = posix.join(staged, entry.path)
      if (entry.type === 'directory') {
        await files.makeDirectory(path, signal)
        continue
      }
      count++
      const write = { mode: 'create', executable: entry.executable } as const
      if (entry.declaredBytes <= SMALL_BYTES) {
        const data = await collected(entry.content())
        bytes += data.length
        // Without the signal: one that goes on after it was given up would bring back a directory that is removed.
        await small.add(() => files.write(path, data, write))
      } else {
        const content = counted(entry.content(), (length) => (bytes += length))
        await files.write(path, content, write, signal)
      }
    }
    await small.done()
  } finally {
    await small.settled()
  }
  return { files: count, bytes }
}

async function nearestDirectory(files: Files, path: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    const { type } = await files.stat(path, signal)
    if (type === 'directory') return path
    throw new SandboxError('already_exists', `${files.shown(path)} is there and is no directory.`, {
      hint: 'Nothing was changed. Name a directory, or one that is not there yet.',
    })
  } catch (error) {
    if (!isSandboxError(error, 'not_found') || path === '/') throw error
    return nearestDirectory(files, posix.dirname(path), signal)
  }
}

async function collected(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  add: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void> {
  for await (const piece of pieces) {
    add(piece.length)
    yield piece
  }
}
