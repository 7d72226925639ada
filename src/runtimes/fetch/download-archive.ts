import { Readable } from 'node:stream'
import { type Extract, extract, type Header, type Pack, pack } from 'tar-stream'
import type { ContainerStream } from '../../engine/engine.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'

export interface ArchiveLimits {
  readonly maxBytes: number
  readonly maxEntries: number
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
  // A failure of any part ends the output with it; without a listener it would end the process.
  const fail = (error: unknown) => outgoing.destroy(error as Error)
  source.on('error', (error) => incoming.destroy(error))
  incoming.on('error', fail)
  outgoing.on('error', () => undefined)
  source.pipe(incoming)
  copyEntries(incoming, outgoing, log, { maxBytes, maxEntries }).catch(fail)
  const destroy = () => {
    stream.close()
    source.destroy()
    incoming.destroy()
    outgoing.destroy()
  }
  return { destroy, [Symbol.asyncIterator]: () => outgoing[Symbol.asyncIterator]() as AsyncIterator<Uint8Array> }
}

async function copyEntries(incoming: Extract, outgoing: Pack, log: string, limits: ArchiveLimits): Promise<void> {
  let entries = 0
  let bytes = 0
  outgoing.entry({ name: 'fetch.log', mode: 0o644 }, log)
  for await (const entry of incoming) {
    const { type, size } = entry.header
    const name = checkedName(entry.header)
    bytes += size
    if (++entries > limits.maxEntries || bytes > limits.maxBytes) throw tooMuch(limits.maxBytes)
    if (type === 'directory') {
      entry.resume()
      continue
    }
    // Both sides check that there are as many bytes as the header says.
    await new Promise<void>((resolve, reject) => {
      const header = { name: `files/${name}`, size, mode: 0o644 }
      const target = outgoing.entry(header, (error) => (error ? reject(error) : resolve()))
      entry.on('error', reject)
      target.on('error', reject)
      entry.pipe(target)
    })
  }
  outgoing.finalize()
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
