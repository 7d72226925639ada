import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract, type Header, pack } from 'tar-stream'
import type { ContainerStream } from '../../engine/engine.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'

export interface ArchiveLimits {
  readonly maxBytes: number
  readonly maxEntries: number
}

/** A whole tar archive of these files, in memory. */
export async function smallArchive(files: ReadonlyMap<string, string | Buffer>): Promise<Buffer> {
  const tar = pack()
  for (const [name, content] of files) tar.entry({ name, mode: 0o644 }, content)
  tar.finalize()
  const pieces: Buffer[] = []
  for await (const piece of Readable.from(tar)) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** Names that package managers give to downloads. No "." or "..", nothing that a terminal or a shell would obey. */
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9@+._~%:=-]{1,255}$/
const MAX_DEPTH = 16

/**
 * The tar archive that a program prints, checked and made anew: regular files and directories with plain relative names alone, bounded
 * in number and bytes, below `files/`; and `log`, as `fetch.log`, before them. What the container says is not trusted: packages
 * come from third parties, and their managers read what those wrote.
 */
export function checkedArchive(
  stream: ContainerStream,
  log: string,
  { maxBytes, maxEntries }: ArchiveLimits,
): AsyncIterable<Uint8Array> & { destroy(): void } {
  const source = readableOf(stream)
  const incoming = extract()
  const outgoing = pack()
  const output = Readable.from(outgoing)
  let entries = 0
  let bytes = 0
  const copy = async () => {
    outgoing.entry({ name: 'fetch.log', mode: 0o644 }, log)
    for await (const entry of incoming) {
      const { type, size = 0 } = entry.header
      const name = checkedName(entry.header)
      bytes += size
      if (++entries > maxEntries || bytes > maxBytes) throw tooMuch(maxBytes)
      if (type === 'directory') {
        entry.resume()
        continue
      }
      // Both sides check that there are as many bytes as the header says.
      await new Promise<void>((resolve, reject) => {
        const header = { name: `files/${name}`, size, mode: 0o644 }
        entry.pipe(outgoing.entry(header, (error) => (error ? reject(error) : resolve())))
      })
    }
    outgoing.finalize()
  }
  // A failure of any part ends the reading of the output, which reports it.
  const fail = (error: unknown) => void output.destroy(error as Error)
  pipeline(source, incoming).catch(fail)
  copy().catch(fail)
  const destroy = () => {
    stream.close()
    source.destroy()
    incoming.destroy()
    outgoing.destroy()
    output.destroy()
  }
  return { destroy, [Symbol.asyncIterator]: () => output[Symbol.asyncIterator]() }
}

function checkedName({ name, type }: Header): string {
  if (type !== 'file' && type !== 'directory') throw refused(`an entry is of the kind ${JSON.stringify(type)}`)
  const names = name
    .replace(/^\.\/?/, '')
    .replace(/\/$/, '')
    .split('/')
  const isRoot = names.length === 1 && names[0] === ''
  if (isRoot && type === 'directory') return ''
  if (names.length > MAX_DEPTH || !names.every((each) => NAME.test(each))) throw refused('an entry has a strange name')
  return names.join('/')
}

function refused(why: string): SandboxError {
  return new SandboxError('install_failed', `The downloaded packages were refused: ${why}.`)
}

export function tooMuch(maxBytes: number): SandboxError {
  return new SandboxError(
    'too_large',
    `The packages with all that they need are more than ${Math.floor(maxBytes / 1024 ** 2)} MiB, or too many files.`,
    { hint: 'Install fewer at once, or ask the operator for a larger installSize.' },
  )
}

/** Standard output of a program; it is read as fast as it is taken. */
function readableOf(stream: ContainerStream): Readable {
  const readable = new Readable({ read: () => stream.resume() })
  stream.onData((data) => {
    // The piece may be a view on a buffer that is used again.
    if (!readable.push(Buffer.from(data))) stream.pause()
  })
  stream.onClose(({ error }) => {
    if (error) readable.destroy(error)
    else readable.push(null)
  })
  return readable
}
