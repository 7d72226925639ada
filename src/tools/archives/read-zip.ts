import { type Entry, fromBufferPromise, type ZipFile } from 'yauzl'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { damaged, type RawEntry } from './archive.ts'

/** stat(2) bits, which Unix zips keep in the upper half of the external attributes. */
const FILE_TYPE_BITS = 0o170000
const REGULAR = 0o100000
const DIRECTORY = 0o040000
const SYMLINK = 0o120000
const EXECUTABLE_BITS = 0o111
const MADE_BY_UNIX = 3

/** The entries of a zip archive, one after the other. yauzl checks that each unpacks to the size that the directory says. */
export async function* readZip(bytes: Buffer): AsyncIterable<RawEntry> {
  const zip = await fromBufferPromise(bytes, { lazyEntries: true, autoClose: false }).catch((error: unknown) => {
    throw damaged('zip', error)
  })
  try {
    for await (const entry of zip.eachEntry()) yield rawEntry(zip, entry)
  } catch (error) {
    throw error instanceof SandboxError ? error : damaged('zip', error)
  } finally {
    zip.close()
  }
}

function rawEntry(zip: ZipFile, entry: Entry): RawEntry {
  const mode = entry.versionMadeBy >>> 8 === MADE_BY_UNIX ? entry.externalFileAttributes >>> 16 : 0
  return {
    path: entry.fileName,
    type: entryType(entry, mode & FILE_TYPE_BITS),
    executable: (mode & EXECUTABLE_BITS) !== 0,
    declaredBytes: entry.uncompressedSize,
    content: () => content(zip, entry),
  }
}

function entryType(entry: Entry, fileType: number): RawEntry['type'] {
  if (entry.isEncrypted()) return { refused: 'encrypted' }
  if (fileType === SYMLINK) return { refused: 'a symbolic link' }
  if (fileType !== 0 && fileType !== REGULAR && fileType !== DIRECTORY) return { refused: 'a device' }
  return entry.fileName.endsWith('/') || fileType === DIRECTORY ? 'directory' : 'file'
}

async function* content(zip: ZipFile, entry: Entry): AsyncIterable<Uint8Array> {
  const stream = await zip.openReadStreamPromise(entry).catch((error: unknown) => {
    throw damaged('zip', error)
  })
  try {
    yield* stream
  } catch (error) {
    throw error instanceof SandboxError ? error : damaged('zip', error)
  } finally {
    stream.destroy()
  }
}
