import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, link, lstat, mkdir, open, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SupervisorClient } from '../../../src/supervisor/client.ts'
import type { ListRequest } from '../../../src/supervisor/encode.ts'
import { ConnectionLost } from '../../../src/supervisor/errors.ts'
import { failureOf } from '../../helpers/failure.ts'
import { type LocalSupervisor, startLocalSupervisor } from '../../helpers/local-supervisor.ts'
import { seededBytes } from '../../helpers/random.ts'

const MIB = 1024 * 1024
const WHOLE = { offset: 0, length: 0 }
const OVERWRITE = { mode: 'overwrite' } as const

let supervisor: LocalSupervisor
let client: SupervisorClient
/** A directory of the test alone. */
let directory: string
let tests = 0

beforeAll(async () => {
  supervisor = await startLocalSupervisor()
  client = await supervisor.connect()
})
afterAll(() => supervisor[Symbol.asyncDispose]())
beforeEach(async () => {
  directory = join(supervisor.workspace, `test-${tests++}`)
  await mkdir(directory)
})

const path = (name: string) => join(directory, name)

async function readAll(name: string, range = WHOLE): Promise<Buffer> {
  const pieces: Buffer[] = []
  await client.read(path(name), range, (data) => void pieces.push(data))
  return Buffer.concat(pieces)
}

function digest(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** Pieces of `size` bytes that are the same in every run. */
async function* pieces(size: number, count: number): AsyncIterable<Buffer> {
  const piece = seededBytes(size)
  for (let index = 0; index < count; index++) {
    await Promise.resolve()
    piece.writeUInt32LE(index, 0)
    yield Buffer.from(piece)
  }
}

describe('what is written is read again', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['every byte value', Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))],
    ['CRLF, a byte order mark, no final newline', Buffer.from('\ufeffa\r\nb')],
    ['exactly one chunk', seededBytes(65_536)],
    ['more than one frame', seededBytes(3 * MIB + 1)],
  ])('%s', async (_, data) => {
    const written = await client.write(path('x'), data, OVERWRITE)
    expect(written).toMatchObject({ created: true, sizeBytes: data.length, type: 'file' })
    expect(digest(await readAll('x'))).toBe(digest(data))
    expect(digest(await readFile(path('x')))).toBe(digest(data))
    expect((await client.write(path('x'), data, OVERWRITE)).created).toBe(false)
  })

  test('a hundred megabytes, as streams both ways', async () => {
    const sent = createHash('sha256')
    async function* hashed(): AsyncIterable<Buffer> {
      for await (const piece of pieces(MIB, 100)) {
        sent.update(piece)
        yield piece
      }
    }
    await client.write(path('big'), hashed(), OVERWRITE)
    const received = createHash('sha256')
    let bytes = 0
    const file = await client.read(path('big'), WHOLE, (data) => {
      received.update(data)
      bytes += data.length
    })
    expect([file.sizeBytes, bytes]).toEqual([100 * MIB, 100 * MIB])
    expect(received.digest('hex')).toBe(sent.digest('hex'))
  })

  test('in ranges', async () => {
    const data = seededBytes(300_000)
    await writeFile(path('x'), data)
    for (const [offset, length] of [
      [0, 1],
      [65_535, 2],
      [100_000, 200_000],
      [299_999, 100],
      [300_000, 10],
      [400_000, 10],
    ] as const) {
      expect((await readAll('x', { offset, length })).equals(data.subarray(offset, offset + length))).toBe(true)
    }
    expect((await readAll('x', { offset: 299_990, length: 0 })).equals(data.subarray(299_990))).toBe(true)
  })
})

describe('a write', () => {
  test('creates only what is not there, when asked to', async () => {
    await client.write(path('x'), Buffer.from('first'), { mode: 'create' })
    await expect(client.write(path('x'), Buffer.from('second'), { mode: 'create' })).rejects.toMatchObject({
      code: 'exists',
    })
    expect(await readFile(path('x'), 'utf8')).toBe('first')
  })

  test('appends, and creates what it appends to', async () => {
    expect((await client.write(path('x'), Buffer.from('a'), { mode: 'append' })).created).toBe(true)
    await client.write(path('x'), Buffer.from('b'), { mode: 'append' })
    await client.write(path('x'), pieces(1, 0), { mode: 'append' })
    expect(await readFile(path('x'), 'utf8')).toBe('ab')
  })

  test('creates parents when asked to', async () => {
    await expect(client.write(path('d/e/x'), Buffer.from('x'), OVERWRITE)).rejects.toMatchObject({ code: 'not_found' })
    await client.write(path('d/e/x'), Buffer.from('x'), { ...OVERWRITE, createParents: true })
    expect(await readFile(path('d/e/x'), 'utf8')).toBe('x')
  })

  test('keeps the mode, and adds execution when asked to', async () => {
    await writeFile(path('x'), 'old')
    await chmod(path('x'), 0o640)
    expect((await client.write(path('x'), Buffer.from('new'), OVERWRITE)).mode).toBe(0o640)
    expect((await client.write(path('x'), Buffer.from('new'), { ...OVERWRITE, executable: true })).mode).toBe(0o750)
  })

  test('goes through a symbolic link, and leaves a hard link with the old content', async () => {
    await writeFile(path('target'), 'old')
    await symlink('target', path('soft'))
    await link(path('target'), path('hard'))
    await client.write(path('soft'), Buffer.from('new'), OVERWRITE)
    expect(await readlink(path('soft'))).toBe('target')
    expect(await readFile(path('target'), 'utf8')).toBe('new')
    expect(await readFile(path('hard'), 'utf8')).toBe('old')
  })

  test('checks the version', async () => {
    const { version } = await client.write(path('x'), Buffer.from('one'), OVERWRITE)
    const next = await client.write(path('x'), Buffer.from('two'), { ...OVERWRITE, ifVersion: version })
    expect(next.version).not.toBe(version)
    await expect(
      client.write(path('x'), Buffer.from('three'), { ...OVERWRITE, ifVersion: version }),
    ).rejects.toMatchObject({ code: 'stale_version' })
    await expect(client.write(path('new'), Buffer.from('x'), { ...OVERWRITE, ifVersion: 1n })).rejects.toMatchObject({
      code: 'not_found',
    })
    expect(await readFile(path('x'), 'utf8')).toBe('two')
    expect((await client.stat(path('x'), true)).version).toBe(next.version)
  })

  test('leaves the old file and no temporary one, when its source fails', async () => {
    await writeFile(path('x'), 'old')
    async function* failing(): AsyncIterable<Buffer> {
      yield* pieces(100_000, 5)
      throw new Error('the upload was cut')
    }
    await expect(client.write(path('x'), failing(), OVERWRITE)).rejects.toThrow('the upload was cut')
    await expect.poll(() => readdir(directory)).toEqual(['x'])
    expect(await readFile(path('x'), 'utf8')).toBe('old')
  })

  test('leaves the old file and no temporary one, when the connection is cut in the middle', async () => {
    await writeFile(path('x'), 'old')
    const own = await supervisor.connect()
    async function* endless(): AsyncIterable<Buffer> {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve))
        yield Buffer.alloc(10_000)
      }
    }
    const failure = failureOf(own.write(path('x'), endless(), OVERWRITE))
    await expect.poll(async () => (await readdir(directory)).length).toBe(2)
    own.connection.close('cut by the test')
    expect(await failure).toBeInstanceOf(ConnectionLost)
    await expect.poll(() => readdir(directory)).toEqual(['x'])
    expect(await readFile(path('x'), 'utf8')).toBe('old')
  })
})

describe('a reader beside a writer', () => {
  test('sees only the whole old or the whole new content', async () => {
    const contents = [seededBytes(5 * MIB, 1), seededBytes(4 * MIB, 2)]
    const digests = new Set(contents.map(digest))
    await client.write(path('x'), contents[0] ?? Buffer.alloc(0), OVERWRITE)
    const reader = await supervisor.connect()
    const over = new AbortController()
    let reads = 0
    const reading = (async () => {
      while (!over.signal.aborted) {
        const hash = createHash('sha256')
        await reader.read(path('x'), WHOLE, (data) => void hash.update(data))
        expect(digests).toContain(hash.digest('hex'))
        reads++
      }
    })()
    for (let round = 0; round < 40; round++) {
      await client.write(path('x'), contents[round % 2] ?? Buffer.alloc(0), OVERWRITE)
    }
    over.abort()
    await reading
    expect(reads).toBeGreaterThan(3)
  })

  test('of twenty writers at once one wins whole', async () => {
    const contents = Array.from({ length: 20 }, (_, seed) => seededBytes(400_000, seed))
    await Promise.all(contents.map((data) => client.write(path('x'), data, OVERWRITE)))
    expect(contents.map(digest)).toContain(digest(await readAll('x')))
    expect(await readdir(directory)).toEqual(['x'])
  })

  test('gets the old content of a file that is replaced while it is read', async () => {
    const old = seededBytes(4 * MIB, 1)
    await writeFile(path('x'), old)
    const hash = createHash('sha256')
    let isReplaced = false
    await client.read(path('x'), WHOLE, async (data) => {
      if (!isReplaced) await client.write(path('x'), Buffer.from('new'), OVERWRITE)
      isReplaced = true
      hash.update(data)
    })
    expect(hash.digest('hex')).toBe(digest(old))
  })
})

describe('a path that is not what it should be', () => {
  beforeEach(async () => {
    await mkdir(path('dir'))
    await writeFile(path('dir/inner'), '')
    await writeFile(path('file'), 'x')
    await symlink('loop', path('loop'))
    const { summary } = await client.start({
      key: seededBytes(16, tests),
      command: ['mkfifo', path('fifo')],
      keepStdinOpen: false,
      private: false,
      timeoutMs: 10_000,
      graceMs: 0,
      waitMs: 10_000,
      head: 0,
      tail: 0,
      cwd: directory,
      env: ['PATH=/usr/bin:/bin'],
      stdin: new Uint8Array(0),
    })
    if (summary.exitCode !== 0) throw new Error('mkfifo failed')
  })

  test.each([
    ['none', 'not_found'],
    ['dir', 'is_directory'],
    ['file/x', 'not_a_directory'],
    ['fifo', 'not_regular'],
    ['loop', 'loop'],
    ['x'.repeat(256), 'name_too_long'],
  ])('is not read: %s', async (name, code) => {
    await expect(readAll(name)).rejects.toMatchObject({ code })
    const range = { first: 1, maxLines: 1, maxBytes: 10, maxLineBytes: 10 }
    await expect(client.readLines(path(name), range)).rejects.toMatchObject({ code })
  })

  test.each([
    ['dir', 'is_directory'],
    ['file/x', 'not_a_directory'],
    ['fifo', 'not_regular'],
    ['loop', 'loop'],
    ['x'.repeat(256), 'name_too_long'],
  ])('is not written: %s', async (name, code) => {
    await expect(client.write(path(name), Buffer.from('x'), OVERWRITE)).rejects.toMatchObject({ code })
    await expect(client.write(path(name), pieces(400_000, 2), OVERWRITE)).rejects.toMatchObject({ code })
  })

  test('is not removed, renamed or made', async () => {
    await expect(client.remove(path('none'), false)).rejects.toMatchObject({ code: 'not_found' })
    await expect(client.remove(path('dir'), false)).rejects.toMatchObject({ code: 'not_empty' })
    await expect(client.remove('/', true)).rejects.toMatchObject({ code: 'busy' })
    await expect(client.remove(supervisor.workspace, true)).rejects.toMatchObject({ code: 'busy' })
    await expect(client.rename(path('none'), path('y'), false)).rejects.toMatchObject({ code: 'not_found' })
    await expect(client.rename(path('file'), path('fifo'), true)).rejects.toMatchObject({ code: 'exists' })
    await expect(client.mkdir(path('file'), 0o755, false)).rejects.toMatchObject({ code: 'exists' })
    await expect(client.mkdir(path('a/b'), 0o755, false)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('is a device, which is not read', async () => {
    await expect(client.read('/dev/zero', WHOLE, () => {})).rejects.toMatchObject({ code: 'not_regular' })
  })

  test('is on the kernel’s own file system, which is read to its end', async () => {
    const lines: Buffer[] = []
    await client.read('/proc/net/tcp', { offset: 0, length: MIB }, (data) => void lines.push(data))
    expect(Buffer.concat(lines).toString()).toContain('local_address')
  })
})

describe('metadata and names', () => {
  test('stat follows a link, or tells where it points', async () => {
    await writeFile(path('x'), 'abc')
    await symlink('x', path('soft'))
    expect(await client.stat(path('soft'), true)).toMatchObject({ type: 'file', sizeBytes: 3 })
    expect(await client.stat(path('soft'), false)).toMatchObject({ type: 'symlink', target: Buffer.from('x') })
    const { mtimeMs } = await lstat(path('x'))
    expect((await client.stat(path('x'), true)).mtimeMs).toBe(Math.floor(mtimeMs))
  })

  test('directories are made, kept, renamed and removed', async () => {
    expect(await client.mkdir(path('a/b/c'), 0o750, true)).toBe(true)
    expect(await client.mkdir(path('a/b/c'), 0o750, true)).toBe(false)
    await client.rename(path('a'), path('z'), true)
    await client.remove(path('z'), true)
    expect(await readdir(directory)).toEqual([])
  })

  test('a removal does not follow links out', async () => {
    await mkdir(path('keep'))
    await writeFile(path('keep/precious'), '')
    await mkdir(path('gone'))
    await symlink('../keep', path('gone/link'))
    await client.remove(path('gone'), true)
    expect(await readdir(directory)).toEqual(['keep'])
    expect(await readdir(path('keep'))).toEqual(['precious'])
  })

  test('a name need not be UTF-8', async () => {
    const name = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0x61, 0xff])])
    const file = await open(name, constants.O_CREAT | constants.O_WRONLY)
    await file.close()
    const { entries } = await client.list(listing())
    expect(entries.map((entry) => entry.path)).toEqual([Buffer.from([0x61, 0xff])])
    await rm(name)
  })
})

function listing(more: Partial<ListRequest> = {}): ListRequest {
  return {
    path: directory,
    depth: 10,
    hidden: false,
    sort: 'name',
    limit: 100,
    skip: 0,
    globs: [],
    folds: [],
    ...more,
  }
}

test('a listing of a file is the file alone', async () => {
  await writeFile(path('file'), 'abc')
  const { total, entries } = await client.list(listing({ path: path('file') }))
  expect(total).toBe(1)
  expect(entries).toEqual([expect.objectContaining({ type: 'file', sizeBytes: 3 })])
  await expect(client.list(listing({ path: path('none') }))).rejects.toMatchObject({ code: 'not_found' })
})

describe('a listing', () => {
  beforeEach(async () => {
    await mkdir(path('src/deep'), { recursive: true })
    await mkdir(path('node_modules/a/b'), { recursive: true })
    await writeFile(path('b.py'), '12345')
    await writeFile(path('a.txt'), '1')
    await writeFile(path('.hidden'), '')
    await writeFile(path('src/c.py'), '123')
    await writeFile(path('src/deep/d.py'), '')
  })

  const names = async (more: Partial<ListRequest>) =>
    (await client.list(listing(more))).entries.map((entry) => entry.path.toString())

  test('goes as deep as it is asked to, by name', async () => {
    expect(await names({ depth: 1 })).toEqual(['a.txt', 'b.py', 'node_modules', 'src'])
    expect(await names({ depth: 2, folds: ['node_modules'] })).toEqual([
      'a.txt',
      'b.py',
      'node_modules',
      'src',
      'src/c.py',
      'src/deep',
    ])
    expect(await names({ depth: 1, hidden: true })).toContain('.hidden')
  })

  test('folds what it is asked to, with the number of what lies below', async () => {
    const { entries } = await client.list(listing({ folds: ['node_modules'] }))
    expect(entries.find((entry) => entry.path.toString() === 'node_modules')?.folded).toBe(2)
  })

  test('takes patterns of names and of paths', async () => {
    expect(await names({ globs: ['*.py'] })).toEqual(['b.py', 'src/c.py', 'src/deep/d.py'])
    expect(await names({ globs: ['src/*.py'] })).toEqual(['src/c.py'])
    expect(await names({ globs: ['src/**/*.py', 'a.*'] })).toEqual(['a.txt', 'src/c.py', 'src/deep/d.py'])
  })

  test('sorts by size, and gives pages that join', async () => {
    const all = await names({ globs: ['*.py', '*.txt'], sort: 'size' })
    expect(all).toEqual(['b.py', 'src/c.py', 'a.txt', 'src/deep/d.py'])
    const first = await client.list(listing({ globs: ['*.py', '*.txt'], sort: 'size', limit: 3 }))
    expect(first).toMatchObject({ total: 4, more: true, capped: false })
    expect(await names({ globs: ['*.py', '*.txt'], sort: 'size', limit: 3, skip: 3 })).toEqual(['src/deep/d.py'])
  })
})

describe('lines', () => {
  const range = { first: 1, maxLines: 3, maxBytes: 1000, maxLineBytes: 10 }

  test('are counted from the start and from the end', async () => {
    await writeFile(path('x'), 'one\ntwo\r\nthree\nfour')
    const lines = async (first: number) => {
      const page = await client.readLines(path('x'), { ...range, first })
      return [page.firstLine, page.lines.map(({ kept }) => kept.toString())]
    }
    expect(await lines(2)).toEqual([2, ['two\r', 'three', 'four']])
    expect(await lines(-2)).toEqual([3, ['three', 'four']])
    expect(await lines(-100)).toEqual([1, ['one', 'two\r', 'three']])
    expect(await lines(100)).toEqual([100, []])
    expect(await client.readLines(path('x'), range)).toMatchObject({ totalLines: 4, endsWithoutNewline: true })
  })

  test('are cut at their limit, with their full length', async () => {
    await writeFile(path('x'), `${'y'.repeat(5000)}\nshort\n`)
    const page = await client.readLines(path('x'), range)
    expect(page.lines[0]).toEqual({ fullLength: 5000, kept: Buffer.from('y'.repeat(10)) })
    expect(page).toMatchObject({ totalLines: 2, endsWithoutNewline: false, stoppedAtMaxBytes: false, binary: false })
  })

  test('stop at the bytes that were asked for', async () => {
    await writeFile(path('x'), 'aaaaaaaaa\nbbbbbbbbb\nccccccccc\n')
    const page = await client.readLines(path('x'), { ...range, maxBytes: 20 })
    expect([page.lines.length, page.stoppedAtMaxBytes]).toEqual([2, true])
  })

  test('of a binary file are told as such', async () => {
    await writeFile(path('x'), Buffer.from([0x61, 0, 0x62]))
    expect((await client.readLines(path('x'), range)).binary).toBe(true)
  })
})
