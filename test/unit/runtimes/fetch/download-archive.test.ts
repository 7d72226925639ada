import { Readable } from 'node:stream'
import { extract, pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import type { ContainerStream } from '../../../../src/engine/engine.ts'
import { checkedArchive } from '../../../../src/runtimes/fetch/download-archive.ts'
import { expectCode } from '../../../helpers/expect-code.ts'

const LIMITS = { maxBytes: 1024 * 1024, maxEntries: 10 }

type EntryHeader = Parameters<ReturnType<typeof pack>['entry']>[0]
type Entry = readonly [header: EntryHeader, content?: Buffer | string]

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack()
  for (const [header, content] of entries) tar.entry(header, content ?? '')
  tar.finalize()
  const pieces: Buffer[] = []
  for await (const piece of Readable.from(tar)) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** A program's output, in pieces of `pieceBytes`; it stops when it is told to pause. */
function streamOf(bytes: Buffer, pieceBytes = 700, error?: Error): ContainerStream & { closed: boolean } {
  let at = 0
  let isPaused = false
  let data: (piece: Buffer) => void = () => {}
  let close: (reason: { error?: Error; stderr: string }) => void = () => {}
  const flow = (): void => {
    // oxlint-disable-next-line no-unmodified-loop-condition -- whoever takes the data pauses
    while (!isPaused && at < bytes.length) {
      data(bytes.subarray(at, at + pieceBytes))
      at += pieceBytes
    }
    if (at >= bytes.length) close({ stderr: '', ...(error && { error }) })
  }
  const stream = {
    closed: false,
    write: () => Promise.resolve(),
    onData: (listener: typeof data) => {
      data = listener
      queueMicrotask(flow)
    },
    onClose: (listener: typeof close) => void (close = listener),
    pause: () => void (isPaused = true),
    resume: () => {
      if (!isPaused) return
      isPaused = false
      queueMicrotask(flow)
    },
    close: () => void (stream.closed = true),
  }
  return stream
}

async function read(
  stream: ContainerStream,
  limits = LIMITS,
): Promise<{ name: string; content: string; mode: unknown }[]> {
  const pieces: Uint8Array[] = []
  for await (const piece of checkedArchive(stream, 'the log', limits)) pieces.push(piece)
  const unpack = extract()
  Readable.from(pieces).pipe(unpack)
  const found: { name: string; content: string; mode: unknown }[] = []
  for await (const entry of unpack) {
    const content: Buffer[] = []
    for await (const piece of entry as unknown as AsyncIterable<Buffer>) content.push(piece)
    found.push({ name: entry.header.name, content: Buffer.concat(content).toString(), mode: entry.header.mode })
  }
  return found
}

describe('the archive of a download', () => {
  test('is made anew: the log, and plain files below files/, without their modes and owners', async () => {
    const big = 'x'.repeat(300_000)
    const tar = await tarOf([
      [{ name: './', type: 'directory' }],
      [{ name: './a/', type: 'directory' }],
      [{ name: './a/b-1.0%3a2_amd64.deb', mode: 0o6755, uid: 0, uname: 'root' }, 'one'],
      [{ name: './c.whl' }, big],
    ])
    expect(await read(streamOf(tar))).toEqual([
      { name: 'fetch.log', content: 'the log', mode: 0o644 },
      { name: 'files/a/b-1.0%3a2_amd64.deb', content: 'one', mode: 0o644 },
      { name: 'files/c.whl', content: big, mode: 0o644 },
    ])
  })

  const hostile: readonly (readonly [what: string, header: EntryHeader])[] = [
    ['a symbolic link', { name: './a', type: 'symlink', linkname: '/etc' }],
    ['a hard link', { name: './a', type: 'link', linkname: 'b' }],
    ['a device', { name: './a', type: 'character-device' }],
    ['a pipe', { name: './a', type: 'fifo' }],
    ['a name that leads out', { name: './../a' }],
    ['a name that leads out later', { name: './a/../../b' }],
    ['an absolute name', { name: '/etc/passwd' }],
    ['a name with a line end', { name: './a\nb' }],
    ['a name with a control sequence', { name: './a\u001b[2J' }],
    ['a name with shell text', { name: './a;b' }],
    ['a deep name', { name: `./${'a/'.repeat(20)}b` }],
    ['a file without a name', { name: './', type: 'file' }],
  ]
  test.each(hostile)('with %s is refused', async (_, header) => {
    await expectCode(read(streamOf(await tarOf([[header]]))), 'install_failed')
  })

  test('with too many entries or bytes is refused', async () => {
    const many = await tarOf(Array.from({ length: 11 }, (_, index): Entry => [{ name: `./${index}` }, 'x']))
    await expectCode(read(streamOf(many)), 'too_large')
    const large = await tarOf([
      [{ name: './a' }, Buffer.alloc(600_000)],
      [{ name: './b' }, Buffer.alloc(600_000)],
    ])
    await expectCode(read(streamOf(large)), 'too_large')
  })

  test('that breaks off is refused', async () => {
    const tar = await tarOf([[{ name: './a' }, Buffer.alloc(50_000)]])
    await expect(read(streamOf(tar.subarray(0, 20_000)))).rejects.toThrow(/Unexpected end of data/)
    const cut = new Error('the stream was cut')
    await expect(read(streamOf(tar.subarray(0, 20_000), 700, cut))).rejects.toThrow('the stream was cut')
  })

  test('closes the stream when it is not wanted any more', async () => {
    const stream = streamOf(await tarOf([[{ name: './a' }, Buffer.alloc(500_000)]]))
    const archive = checkedArchive(stream, '', LIMITS)
    for await (const piece of archive) {
      void piece
      break
    }
    archive.destroy()
    expect(stream.closed).toBe(true)
  })
})
