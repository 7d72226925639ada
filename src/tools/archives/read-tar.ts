import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract, type Header } from 'tar-stream'
import { type ArchiveKind, damaged, type RawEntry } from './archive.ts'

const EXECUTABLE_BITS = 0o111
const REFUSED: Readonly<Record<string, string>> = {
  link: 'a hard link',
  symlink: 'a symbolic link',
  'character-device': 'a device',
  'block-device': 'a device',
  fifo: 'a pipe',
}

/** The entries of a tar archive, plain or gzipped, one after the other. */
export async function* readTar(bytes: Buffer, kind: Exclude<ArchiveKind, 'zip'>): AsyncIterable<RawEntry> {
  const unpack = extract()
  const source = Readable.from([bytes], { objectMode: false })
  const gunzip = kind === 'tar.gz' ? source.pipe(createGunzip()) : source
  // A failure of either source ends the reading; the reader then reports it.
  gunzip.on('error', (error) => unpack.destroy(error))
  gunzip.pipe(unpack)
  let found = 0
  try {
    for await (const entry of unpack) {
      found++
      yield rawEntry(entry.header, () => content(entry, kind))
      entry.resume()
    }
  } catch (error) {
    throw damaged(kind, error)
  } finally {
    unpack.destroy()
    source.destroy()
    gunzip.destroy()
  }
  if (found === 0) throw damaged(kind)
}

function rawEntry(header: Header, content: RawEntry['content']): RawEntry {
  const { name, type, mode, size } = header
  const isFile = type === 'file' || type === 'contiguous-file'
  return {
    path: name,
    type: isFile
      ? 'file'
      : type === 'directory'
        ? 'directory'
        : { refused: REFUSED[type ?? ''] ?? 'of an unknown kind' },
    executable: ((mode ?? 0) & EXECUTABLE_BITS) !== 0,
    declaredBytes: size ?? 0,
    content,
  }
}

async function* content(entry: unknown, kind: ArchiveKind): AsyncIterable<Uint8Array> {
  try {
    // streamx's types leave out that its streams can be iterated.
    yield* entry as AsyncIterable<Uint8Array>
  } catch (error) {
    throw damaged(kind, error)
  }
}
