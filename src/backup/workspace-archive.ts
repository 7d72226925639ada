import { isDeepStrictEqual } from 'node:util'
import { createHash } from 'node:crypto'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes } from '../lib/units.ts'
import { badArchive } from './archive/bad-archive.ts'
import { ByteSource } from './archive/byte-source.ts'
import { ContentDigest } from './archive/content-digest.ts'
import type { Entry } from './archive/entry.ts'
import { type ArrivingEntry, readArchive } from './archive/read-archive.ts'
import { afterContent, beforeContent, END_MARK } from './archive/write-archive.ts'
import { LineSpool } from './line-spool.ts'
import { Head, manifestLine, parseDocument, Tally, Totals } from './manifest.ts'

/** Members of an archive: what it is, the workspace, and at the end what was in it. */
const HEAD_NAME = 'sandbox-mcp.json'
const TREE_PREFIX = 'workspace/'
const MANIFEST_NAME = 'manifest.jsonl'
const MAX_HEAD_BYTES = 64 * 1024
const MAX_TOTALS_BYTES = 4096
/** Of the manifest's lines, for each entry: two paths in base64 and what else is in one. */
const MAX_LINE_BYTES = 16 * 1024

export interface ArchiveLimits {
  /** Of all files, holes included: what is read, hashed and, at worst, written. */
  readonly maxBytes: number
  readonly maxEntries: number
}

/** Told now and then, for whoever waits. */
export type OnTally = (seen: { readonly entries: number; readonly bytes: number }) => void

export interface CopyOptions {
  readonly limits: ArchiveLimits
  readonly onTally?: OnTally | undefined
}

/**
 * An archive of the workspace that arrives as a stream of the packer: its head, the files, and the manifest, which was made on the way. Calls
 * `onTotals` before its last pieces. Whatever the stream says is checked and written anew.
 */
export async function* archiveOf(
  stream: AsyncIterable<Uint8Array>,
  head: Head,
  spoolDir: string,
  options: CopyOptions & { readonly onTotals: (totals: Totals) => void },
): AsyncGenerator<Buffer, void> {
  const source = new ByteSource(stream)
  const tally = new Tally()
  await using spool = await LineSpool.create(spoolDir)
  try {
    yield* member(HEAD_NAME, Buffer.from(`${JSON.stringify(head)}\n`), head.createdAt)
    for await (const item of readArchive(source)) {
      if (!('entry' in item)) {
        tally.skip(item)
        continue
      }
      const { entry } = item
      const target = entry.type === 'hardlink' ? `${TREE_PREFIX}${entry.target}` : entry.target
      const moved = { ...entry, path: `${TREE_PREFIX}${entry.path}`, target }
      yield beforeContent(moved)
      const line = yield* counted(item, tally, options)
      yield afterContent(moved)
      await spool.add(line)
    }
    const totals = tally.totals()
    options.onTotals(totals)
    await spool.add(`${JSON.stringify(totals)}\n`)
    const manifest = fileEntry(MANIFEST_NAME, spool.bytes, head.createdAt)
    yield beforeContent(manifest)
    yield* spool.read()
    yield afterContent(manifest)
    yield END_MARK
  } finally {
    await source.close()
  }
}

/**
 * The other way round: the stream for the unpacker, out of an archive from wherever. Calls `onHead` before the first entry and `onTotals` when
 * all of it was read and is what its manifest says; only then the end mark follows, without which the unpacker fails. `backup_damaged`
 * for anything else.
 */
export async function* workspaceOf(
  archive: AsyncIterable<Uint8Array>,
  options: CopyOptions & {
    readonly onHead?: (head: Head) => void
    readonly onTotals: (totals: Totals) => void
  },
): AsyncGenerator<Buffer, void> {
  const source = new ByteSource(archive)
  const tally = new Tally()
  let head: Head | undefined
  let totals: Totals | undefined
  try {
    for await (const item of readArchive(source)) {
      if (!('entry' in item) || totals) throw badArchive('a member that does not belong there')
      const { entry } = item
      if (!head) {
        head = await readHead(item)
        options.onHead?.(head)
      } else if (entry.path === MANIFEST_NAME) totals = await readManifest(item, tally)
      else {
        const inside = withoutPrefix(entry)
        yield beforeContent(inside)
        yield* counted({ entry: inside, content: item.content }, tally, options)
        yield afterContent(inside)
      }
    }
    if (!totals || !(await source.isAtEnd())) throw badArchive('its end')
    options.onTotals(totals)
    yield END_MARK
  } finally {
    await source.close()
  }
}

/** What a packer's stream holds, without keeping anything of it. */
export async function totalsOf(stream: AsyncIterable<Uint8Array>, options: CopyOptions): Promise<Totals> {
  const source = new ByteSource(stream)
  const tally = new Tally()
  try {
    for await (const item of readArchive(source)) {
      if ('entry' in item) for await (const _ of counted(item, tally, options));
      else tally.skip(item)
    }
    return tally.totals()
  } finally {
    await source.close()
  }
}

/** Passes an entry's content on, and gives its line of the manifest. */
async function* counted(
  { entry, content }: ArrivingEntry,
  tally: Tally,
  { limits, onTally }: CopyOptions,
): AsyncGenerator<Buffer, string> {
  tally.count(entry)
  if (tally.entries > limits.maxEntries) {
    throw new SandboxError('too_large', `The workspace has more than ${limits.maxEntries} files and directories.`)
  }
  if (tally.bytes > limits.maxBytes) {
    throw new SandboxError('too_large', `The workspace has more than ${formatBytes(limits.maxBytes)}, holes included.`)
  }
  const digest = entry.type === 'file' ? new ContentDigest(entry) : undefined
  for await (const piece of content) {
    await digest?.update(piece)
    yield piece
  }
  const line = manifestLine(entry, await digest?.end())
  tally.line(line)
  onTally?.(tally)
  return line
}

function withoutPrefix(entry: Entry): Entry {
  const inside = (path: string): string => {
    if (!path.startsWith(TREE_PREFIX)) throw badArchive('a member that does not belong there')
    return path.slice(TREE_PREFIX.length)
  }
  const target = entry.type === 'hardlink' ? inside(entry.target) : entry.target
  return { ...entry, path: inside(entry.path), target }
}

async function readHead({ entry, content }: ArrivingEntry): Promise<Head> {
  if (entry.path !== HEAD_NAME || entry.type !== 'file' || entry.size > MAX_HEAD_BYTES || entry.runs) {
    throw badArchive('it is no backup of a workspace')
  }
  return parseDocument(Head, await textOf(content), 'its head is of another version')
}

/** Checks that the manifest has exactly the lines of what went by, and what its last line adds them up to. */
async function readManifest({ entry, content }: ArrivingEntry, tally: Tally): Promise<Totals> {
  const own = tally.totals()
  const lineBytes = tally.lineBytes
  const rest = entry.size - lineBytes
  if (entry.type !== 'file' || entry.runs || rest < 0 || rest > MAX_TOTALS_BYTES) throw badArchive('its manifest')
  const lines = createHash('sha256')
  const last: Buffer[] = []
  let at = 0
  for await (const piece of content) {
    lines.update(piece.subarray(0, Math.max(0, lineBytes - at)))
    if (at + piece.length > lineBytes) last.push(Buffer.from(piece.subarray(Math.max(0, lineBytes - at))))
    at += piece.length
  }
  const told = parseDocument(Totals, Buffer.concat(last).toString('utf8'), 'its manifest')
  // What was left out when it was made, the archive alone can say.
  const isSame = lines.digest('hex') === own.sha256 && isDeepStrictEqual({ ...told, skipped: own.skipped }, own)
  if (!isSame) throw badArchive('its files are not those of its manifest')
  return told
}

async function textOf(content: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of content) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces).toString('utf8')
}

function fileEntry(path: string, size: number, createdAt: string): Entry {
  const mtime = `${Math.floor(Date.parse(createdAt) / 1000)}.000000000`
  return { type: 'file', path, target: '', mode: 0o644, mtime, size }
}

function* member(path: string, content: Buffer, createdAt: string): Generator<Buffer, void> {
  const entry = fileEntry(path, content.length, createdAt)
  yield beforeContent(entry)
  yield content
  yield afterContent(entry)
}

/** Most bytes that the archive of a workspace within these limits takes, compressed at worst not at all. */
export function maxArchiveBytes({ maxBytes, maxEntries }: ArchiveLimits): number {
  return maxBytes + maxEntries * MAX_LINE_BYTES
}
