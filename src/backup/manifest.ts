import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import * as z from 'zod'
import { badArchive } from './archive/bad-archive.ts'
import type { ByteString, Entry, Skipped } from './archive/entry.ts'

/** Version of the archive's layout. A reader refuses any other. */
export const FORMAT = 1

/** What the first member of an archive says. The user is a hash, never a name. */
export const Head = z.object({
  format: z.literal(FORMAT),
  createdAt: z.iso.datetime(),
  /** As in the engine's labels: a hash of installation and user. */
  userHash: z.string().regex(/^[0-9a-f]{32}$/),
  /** Runtime of the sandbox; null when it was not known. */
  runtime: z.string().max(63).nullable(),
  /** The uid that the files belonged to. They get that of the sandbox that they come to. */
  uid: z.int().min(1),
})
export type Head = z.output<typeof Head>

const count = z.int().min(0)

/** What the last line of the manifest says of the lines before it. */
export const Totals = z.object({
  /** Of all kinds. */
  entries: count,
  files: count,
  /** Of all files, holes included. */
  bytes: count,
  /** SHA-256 of the lines: it stands for every name, mode, time, link and byte. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** What the workspace had that no archive keeps. */
  skipped: z.object({ fifo: count, socket: count, device: count, unreadable: count }),
})
export type Totals = z.output<typeof Totals>

/** A name in JSON: as text when it is valid UTF-8, else its bytes in base64 under another key. */
function named(key: string, name: ByteString): Record<string, string> {
  const bytes = Buffer.from(name, 'latin1')
  return isUtf8(bytes) ? { [key]: bytes.toString('utf8') } : { [`${key}Base64`]: bytes.toString('base64') }
}

/** The line of an entry. One entry has one line, so that equal trees have equal manifests. */
export function manifestLine({ type, path, target, mode, mtime, size }: Entry, sha256: string | undefined): string {
  const line = {
    type,
    ...named('path', path),
    ...(target === '' ? {} : named('target', target)),
    // Of a link the permissions mean nothing, and a hard link has those of its file.
    ...(type === 'hardlink' ? {} : { mode: mode.toString(8).padStart(4, '0'), mtime }),
    ...(type === 'file' ? { size, sha256 } : {}),
  }
  return `${JSON.stringify(line)}\n`
}

/** Adds up what goes by. */
export class Tally {
  readonly #lines = createHash('sha256')
  readonly #skipped: Record<Skipped['type'], number> = { fifo: 0, socket: 0, device: 0, unreadable: 0 }
  #entries = 0
  #files = 0
  #bytes = 0
  #lineBytes = 0

  get entries(): number {
    return this.#entries
  }
  get bytes(): number {
    return this.#bytes
  }
  /** Bytes of all lines. */
  get lineBytes(): number {
    return this.#lineBytes
  }

  /** Before the content is read, so that what is too much is refused without reading it. */
  count({ type, size }: Entry): void {
    this.#entries++
    if (type === 'file') this.#files++
    this.#bytes += size
  }

  line(line: string): void {
    this.#lines.update(line)
    this.#lineBytes += Buffer.byteLength(line)
  }

  skip({ type }: Skipped): void {
    this.#skipped[type]++
  }

  totals(): Totals {
    return {
      entries: this.#entries,
      files: this.#files,
      bytes: this.#bytes,
      sha256: this.#lines.copy().digest('hex'),
      skipped: { ...this.#skipped },
    }
  }
}

/** Parses a small JSON document from an archive or a target; `backup_damaged` when it is none of this shape. */
export function parseDocument<T>(schema: z.ZodType<T>, text: string, what: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw badArchive(what)
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw badArchive(what)
  return parsed.data
}
