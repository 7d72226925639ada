import { Readable } from 'node:stream'
import { pack } from 'tar-stream'

/** A whole tar archive of these files, in memory. */
export async function smallArchive(files: ReadonlyMap<string, string | Buffer>): Promise<Buffer> {
  const tar = pack()
  for (const [name, content] of files) tar.entry({ name, mode: 0o644 }, content)
  tar.finalize()
  const pieces: Buffer[] = []
  for await (const piece of Readable.from(tar)) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}
