import type { Entry } from '../../src/backup/archive/entry.ts'
import { afterContent, beforeContent, END_MARK } from '../../src/backup/archive/write-archive.ts'

/** An entry of a test's workspace, with what is in it: of a file with holes the bytes of its runs. */
export type TestEntry = Partial<Entry> & { readonly path: string; readonly content?: string }

export function entry({ content, ...given }: TestEntry): Entry {
  const type = given.type ?? 'file'
  const size = Buffer.byteLength(content ?? '', 'latin1')
  return { type, target: '', mode: 0o644, mtime: '1700000000.123456789', size, ...given }
}

/** The stream that the packer writes for these entries. */
export function workspaceStream(entries: readonly TestEntry[]): Buffer {
  const parts = entries.flatMap((given) => {
    const made = entry(given)
    return [beforeContent(made), Buffer.from(given.content ?? '', 'latin1'), afterContent(made)]
  })
  return Buffer.concat([...parts, END_MARK])
}

/** As a stream that comes in pieces of this size. */
export async function* inPieces(data: Uint8Array, bytes = 1000): AsyncGenerator<Buffer, void> {
  for (let at = 0; at < data.length; at += bytes) yield Buffer.from(data.subarray(at, at + bytes))
}

export async function gathered(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of source) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}
