import { type Entry, fromRandomAccessReaderPromise, type RandomAccessReader, type ZipFile } from 'yauzl'
import { isSandboxError } from '../../errors/sandbox-error.ts'
import { crc32 } from '../../lib/crc32.ts'
import { damaged, type RawEntry } from './entry.ts'
import type { UnpackBudget } from './unpack-budget.ts'

/** stat(2) bits, which Unix zips keep in the upper half of the external attributes. */
const FILE_TYPE_BITS = 0o170000
const REGULAR = 0o100000
const DIRECTORY = 0o040000
const SYMLINK = 0o120000
const EXECUTABLE_BITS = 0o111
const MADE_BY_UNIX = 3

/**
 * The entries of a zip archive of `size` bytes, in the order of its directory. yauzl checks that each unpacks to the size that the
 * directory says; that it has the checksum is checked here. All that is unpacked counts, also when entries share their data.
 */
export async function* readZip(
  reader: RandomAccessReader,
  size: number,
  budget: UnpackBudget,
): AsyncGenerator<RawEntry, void> {
  const zip = await fromRandomAccessReaderPromise(reader, size, { autoClose: false }).catch(fail)
  try {
    for await (const entry of zip.eachEntry()) yield rawEntry(zip, entry, budget)
  } catch (error) {
    fail(error)
  } finally {
    zip.close()
  }
}

function rawEntry(zip: ZipFile, entry: Entry, budget: UnpackBudget): RawEntry {
  const mode = entry.versionMadeBy >>> 8 === MADE_BY_UNIX ? entry.externalFileAttributes >>> 16 : 0
  return {
    path: entry.fileName,
    type: entryType(entry, mode & FILE_TYPE_BITS),
    executable: (mode & EXECUTABLE_BITS) !== 0,
    declaredBytes: entry.uncompressedSize,
    content: () => content(zip, entry, budget),
  }
}

function entryType(entry: Entry, fileType: number): RawEntry['type'] {
  if (entry.isEncrypted()) return { refused: 'encrypted' }
  if (fileType === SYMLINK) return { refused: 'a symbolic link' }
  if (fileType !== 0 && fileType !== REGULAR && fileType !== DIRECTORY) return { refused: 'a device' }
  return entry.fileName.endsWith('/') || fileType === DIRECTORY ? 'directory' : 'file'
}

async function* content(zip: ZipFile, entry: Entry, budget: UnpackBudget): AsyncGenerator<Uint8Array, void> {
  const stream = await zip.openReadStreamPromise(entry).catch(fail)
  let checksum = 0
  try {
    for await (const chunk of stream) {
      const piece = chunk as Buffer
      budget.take(piece.length)
      checksum = crc32(piece, checksum)
      yield piece
    }
  } catch (error) {
    fail(error)
  } finally {
    stream.destroy()
  }
  if (checksum !== entry.crc32) throw damaged('zip')
}

/** Our own errors pass, those of the sandbox among them; yauzl's and zlib's mean a bad archive. */
function fail(error: unknown): never {
  throw isSandboxError(error) ? error : damaged('zip', error)
}
