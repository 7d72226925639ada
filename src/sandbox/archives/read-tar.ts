import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract, type Header } from 'tar-stream'
import { isSandboxError } from '../../errors/sandbox-error.ts'
import { type ArchiveKind, damaged, type RawEntry } from './entry.ts'
import type { UnpackBudget } from './unpack-budget.ts'

const EXECUTABLE_BITS = 0o111
const BLOCK_BYTES = 512
const CHUNK_BYTES = 64 * 1024
const REFUSED: Readonly<Record<string, string>> = {
  link: 'a hard link',
  symlink: 'a symbolic link',
  'character-device': 'a device',
  'block-device': 'a device',
  fifo: 'a pipe',
}

type TarKind = Exclude<ArchiveKind, 'zip'>

/**
 * The entries of a tar archive (POSIX pax, ustar, GNU), plain or gzipped, one after the other as they arrive. All that the
 * archive unpacks to counts, headers and padding too. An error of the source passes as it is.
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  kind: TarKind,
  budget: UnpackBudget,
): AsyncGenerator<RawEntry, void> {
  const feed = new Feed(source)
  const input = Readable.from(feed.pieces(), { objectMode: false })
  const plain = kind === 'tar.gz' ? input.pipe(createGunzip({ chunkSize: CHUNK_BYTES })) : input
  const end = new EndMark()
  const unpack = extract()
  const fail = (error: unknown) => unpack.destroy(error as Error)
  input.on('error', fail)
  // Not waited for at the end: a source that gives nothing would never come to its own.
  pump(plain, unpack, budget, end).catch(fail)
  let found = 0
  try {
    for await (const entry of unpack) {
      found++
      yield rawEntry(entry.header, () => content(entry, feed, kind))
      entry.resume()
    }
    // A file that ends without its end mark may be cut off; one that goes on after its compressed part is something else.
    if (found === 0 || !end.isThere || !feed.isAtEnd) throw damaged(kind)
  } catch (error) {
    throw feed.error ?? ownError(error, kind)
  } finally {
    unpack.destroy()
    input.destroy()
    plain.destroy()
  }
}

/** Remembers how its source ended: streams on the way replace errors, or end without asking to the end. */
class Feed {
  readonly #source: AsyncIterable<Uint8Array>
  isAtEnd = false
  error: unknown

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source
  }

  async *pieces(): AsyncGenerator<Uint8Array, void> {
    try {
      for await (const piece of this.#source) yield piece
      this.isAtEnd = true
    } catch (error) {
      this.error = error
      throw error
    }
  }
}

/** Sees whether what passed ends with a block of zeros, as a tar archive does (POSIX pax, "ustar Interchange Format"). */
class EndMark {
  #tail: Buffer = Buffer.alloc(0)

  pass(piece: Buffer): void {
    const all = piece.length >= BLOCK_BYTES ? piece : Buffer.concat([this.#tail, piece])
    this.#tail = all.subarray(-BLOCK_BYTES)
  }

  get isThere(): boolean {
    return this.#tail.length === BLOCK_BYTES && this.#tail.every((byte) => byte === 0)
  }
}

async function pump(
  plain: NodeJS.ReadableStream,
  unpack: ReturnType<typeof extract>,
  budget: UnpackBudget,
  end: EndMark,
): Promise<void> {
  for await (const chunk of plain) {
    const piece = chunk as Buffer
    budget.take(piece.length)
    end.pass(piece)
    if (!unpack.write(piece)) await drained(unpack)
    if (unpack.destroyed) return
  }
  unpack.end(undefined)
}

function drained(unpack: ReturnType<typeof extract>): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      unpack.off('drain', go)
      unpack.off('close', go)
      resolve()
    }
    unpack.on('drain', go)
    unpack.on('close', go)
  })
}

function rawEntry(header: Header, readContent: RawEntry['content']): RawEntry {
  const { name, type, mode, size } = header
  return {
    path: name,
    type: entryType(type, header.pax),
    executable: ((mode ?? 0) & EXECUTABLE_BITS) !== 0,
    declaredBytes: type === 'file' || type === 'contiguous-file' ? size : 0,
    content: readContent,
  }
}

function entryType(type: Header['type'] | null, pax: unknown): RawEntry['type'] {
  // Its real name and size are in the extended header, and its holes in front of the content: as a plain file it would be garbage.
  if (Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse'))) return { refused: 'a sparse file' }
  if (type === 'file' || type === 'contiguous-file') return 'file'
  if (type === 'directory') return 'directory'
  return { refused: REFUSED[type ?? ''] ?? 'of an unknown kind' }
}

async function* content(entry: unknown, feed: Feed, kind: TarKind): AsyncGenerator<Uint8Array, void> {
  try {
    // streamx's types leave out that its streams can be iterated.
    yield* entry as AsyncIterable<Uint8Array>
  } catch (error) {
    throw feed.error ?? ownError(error, kind)
  }
}

function ownError(error: unknown, kind: TarKind): unknown {
  return isSandboxError(error) ? error : damaged(kind, error)
}
