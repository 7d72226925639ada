import { Readable } from 'node:stream'
import { ZipFile } from 'yazl'
import type { LoadedEntry } from './pack-content.ts'
import { COMPRESSION_LEVEL } from './write-tar.ts'

/** A zip archive (APPNOTE 6.3, with zip64 where it needs that), made as fast as it is asked for. */
export async function* writeZip(entries: AsyncIterable<LoadedEntry>): AsyncGenerator<Buffer, void> {
  const zip = new ZipFile()
  const output = zip.outputStream as Readable
  const fail = (error: unknown) => void output.destroy(error as Error)
  zip.on('error', fail)
  fill(zip, entries).catch(fail)
  try {
    for await (const piece of output) yield piece as Buffer
  } finally {
    output.destroy()
  }
}

async function fill(zip: ZipFile, entries: AsyncIterable<LoadedEntry>): Promise<void> {
  for await (const entry of entries) await put(zip, entry)
  zip.end()
}

/** Resolves when the content was taken, so that the next entry waits for it. */
async function put(zip: ZipFile, entry: LoadedEntry): Promise<void> {
  const { path, type, mode, mtime } = entry
  if (type === 'directory') {
    zip.addEmptyDirectory(path, { mode: DIRECTORY | mode, mtime })
    return
  }
  await new Promise<void>((resolve, reject) => {
    const options = { mode: REGULAR | mode, mtime, compressionLevel: COMPRESSION_LEVEL }
    zip.addReadStreamLazy(path, options, (open) => {
      const content = entry.content()
      const stream = Readable.from(Buffer.isBuffer(content) ? [content] : content, { objectMode: false })
      stream.on('end', resolve).on('error', reject)
      open(undefined, stream)
    })
  })
}

/** stat(2) types, which Unix zips keep in the upper half of the external attributes. */
const REGULAR = 0o100000
const DIRECTORY = 0o040000
