import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import { oneLine } from '../../lib/visible-text.ts'
import type { Files } from '../files.ts'
import { readPieces } from '../read-pieces.ts'
import type { PackEntry } from './pack-list.ts'

/** Something to be packed, with its content at hand. */
export interface LoadedEntry extends PackEntry {
  /** Of what `content` gives, exactly. */
  readonly sizeBytes: number
  content(): Buffer | AsyncIterable<Buffer>
}

/** Files up to this size are read whole, so that their size is known from their content. */
const SMALL_BYTES = 256 * 1024
/** Small files that are read ahead: each costs a round trip. */
const AHEAD = 8
const NOTHING = Buffer.alloc(0)

/**
 * The entries with their contents, in order. A file that is gone by now is passed over. One that is too large to be read whole at once
 * is looked at again before and after: when it changed meanwhile the stream fails (`stale_version`), for what was packed of it would
 * be neither the old content nor the new.
 */
export async function* loadContents(
  files: Files,
  entries: readonly PackEntry[],
  signal: AbortSignal | undefined,
): AsyncGenerator<LoadedEntry, void> {
  const ahead: Promise<LoadedEntry | undefined>[] = []
  for (let next = 0; next < entries.length || ahead.length > 0;) {
    const entry = entries[next]
    if (entry && ahead.length < AHEAD) {
      const loading = load(files, entry, signal)
      // Told when it is its turn, if that comes.
      loading.catch(() => {})
      ahead.push(loading)
      next++
      continue
    }
    const loaded = await ahead.shift()
    if (loaded) yield loaded
  }
}

async function load(files: Files, entry: PackEntry, signal: AbortSignal | undefined): Promise<LoadedEntry | undefined> {
  if (entry.type !== 'file') return { ...entry, content: () => NOTHING }
  try {
    if (entry.sizeBytes <= SMALL_BYTES) return await loadSmall(files, entry, signal)
    return await loadLarge(files, entry, signal)
  } catch (error) {
    if (isSandboxError(error, 'not_found')) return undefined
    throw error
  }
}

async function loadSmall(files: Files, entry: PackEntry, signal: AbortSignal | undefined): Promise<LoadedEntry> {
  try {
    const { data } = await files.readBytes(entry.source, SMALL_BYTES, signal)
    return { ...entry, sizeBytes: data.length, content: () => data }
  } catch (error) {
    // It has grown since it was listed.
    if (isSandboxError(error, 'too_large')) return loadLarge(files, entry, signal)
    throw error
  }
}

async function loadLarge(files: Files, entry: PackEntry, signal: AbortSignal | undefined): Promise<LoadedEntry> {
  const { type, sizeBytes, version } = await files.stat(entry.source, signal)
  if (type !== 'file') throw changed(files, entry)
  return { ...entry, sizeBytes, content: () => unchanging(files, { ...entry, sizeBytes }, version, signal) }
}

/** The content of a file of exactly this size, or an error: also when it is of this version no more when it was read. */
async function* unchanging(
  files: Files,
  entry: PackEntry,
  version: bigint,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void> {
  const range = { offset: 0, length: entry.sizeBytes }
  let left = entry.sizeBytes
  try {
    for await (const piece of readPieces((sink, stop) => files.read(entry.source, range, sink, stop), signal)) {
      left -= piece.length
      yield piece
    }
    const after = await files.stat(entry.source, signal)
    if (left !== 0 || after.version !== version) throw changed(files, entry)
  } catch (error) {
    throw isSandboxError(error, 'not_found') ? changed(files, entry) : error
  }
}

function changed(files: Files, { source }: PackEntry): SandboxError {
  return new SandboxError('stale_version', `${oneLine(files.shown(source))} changed while it was packed.`, {
    hint: 'The archive is not whole. Pack again when nothing writes there, or leave the file out.',
  })
}
