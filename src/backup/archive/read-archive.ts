import { badArchive } from './bad-archive.ts'
import type { ByteSource } from './byte-source.ts'
import { type Entry, isSafePath, isSafeTarget, type Skipped, storedBytes } from './entry.ts'
import { readMap } from './sparse-map.ts'
import { paddingOf, readHeader, type TarHeader } from './tar-header.ts'

/** An entry as it arrives; its content has to be read to the end before the next one. */
export interface ArrivingEntry {
  readonly entry: Entry
  /** The bytes of a file: of one with holes, those of its runs one after the other. */
  readonly content: AsyncIterable<Buffer>
}

/** Types that the packer only tells of (supervisor/ARCHIVE.md). */
const SKIPPED: Readonly<Record<string, Skipped['type']>> = {
  '3': 'device',
  '4': 'device',
  '6': 'fifo',
  Z: 'socket',
  Y: 'unreadable',
}

const TYPES: Readonly<Record<string, Entry['type']>> = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
}

/**
 * The entries of an archive in the form of supervisor/ARCHIVE.md, each checked: no name leads out of the workspace, every number is within
 * what it may be. Ends after the end mark of the archive. `backup_damaged` for anything else.
 */
export async function* readArchive(source: ByteSource): AsyncGenerator<ArrivingEntry | Skipped, void> {
  for (let header = await readHeader(source); header; header = await readHeader(source)) {
    const skipped = SKIPPED[header.type]
    if (!isSafePath(header.path)) throw badArchive('a name')
    if (skipped) {
      if (header.size !== 0) throw badArchive('the size of an entry')
      yield { type: skipped, path: header.path }
      continue
    }
    const entry = await entryOf(header, source)
    const bytes = storedBytes(entry)
    let read = 0
    const content = async function* () {
      for await (const piece of source.pieces(bytes)) {
        read += piece.length
        yield piece
      }
    }
    yield { entry, content: content() }
    if (read !== bytes) throw new TypeError('the content of an entry was not read')
    await source.take(paddingOf(bytes))
  }
}

async function entryOf(header: TarHeader, source: ByteSource): Promise<Entry> {
  const { path, target, mode, mtime, size, sparseSize } = header
  const type = TYPES[header.type]
  if (type === undefined) throw badArchive('the type of an entry')
  if (type === 'file') {
    if (target !== '') throw badArchive('the target of a file')
    if (sparseSize === undefined) return { type, path, target, mode, mtime, size }
    return { type, path, target, mode, mtime, size: sparseSize, runs: await readMap(source, size, sparseSize) }
  }
  if (size !== 0 || sparseSize !== undefined) throw badArchive('the size of an entry')
  if (type === 'directory' ? target !== '' : type === 'hardlink' ? !isSafePath(target) : !isSafeTarget(target)) {
    throw badArchive('the target of a link')
  }
  return { type, path, target, mode, mtime, size }
}
