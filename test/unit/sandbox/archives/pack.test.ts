import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { extract as tarExtract, type Header } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import type { PackKind } from '../../../../src/sandbox/archives/pack.ts'
import { PackedDirectory } from '../../../../src/sandbox/archives/pack.ts'
import { staysInside } from '../../../../src/sandbox/archives/pack-list.ts'
import { WireError } from '../../../../src/supervisor/errors.ts'
import type { DirectoryEntry } from '../../../../src/supervisor/protocol.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { extract } from '../../../helpers/extracting.ts'
import { failureOf } from '../../../helpers/failure.ts'
import { entryOf, FakeSupervisor } from '../../../helpers/fake-supervisor.ts'
import { seededBytes, seededRandom } from '../../../helpers/random.ts'

const KINDS: readonly PackKind[] = ['tar.gz', 'zip']
/** Too large to be read whole at once. */
const LARGE = seededBytes(300_000)
const OTHER_LARGE = seededBytes(300_001, 9)

async function collected(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

function pack(fake: FakeSupervisor, path = '.', kind: PackKind = 'tar.gz', signal?: AbortSignal): PackedDirectory {
  return fake.sandbox().transfer.pack(path, kind, signal)
}

/** The files by path: content by its digest, and the execute bit. */
function contents(fake: FakeSupervisor): Map<string, string> {
  const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex')
  const entries = [...fake.files].map(([path, file]) => [path, `${digest(file.data)} ${file.executable}`] as const)
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The headers of a gzipped tar, with the contents. */
async function entriesOf(archive: Buffer): Promise<(Header & { content: string })[]> {
  const unpack = tarExtract()
  unpack.end(gunzipSync(archive))
  const found: (Header & { content: string })[] = []
  for await (const entry of unpack) {
    const content = await collected(entry as unknown as AsyncIterable<Buffer>)
    found.push({ ...entry.header, content: content.toString() })
  }
  return found
}

function tree(): FakeSupervisor {
  const fake = new FakeSupervisor()
  fake.put('a', 'first')
  fake.put('a-b/x', 'x')
  fake.put('a/../d/run.sh', '#!/bin/sh')
  fake.put('d/large', LARGE)
  fake.put('é/日本', 'text')
  fake.directories.add('/workspace/empty')
  const script = fake.files.get('/workspace/d/run.sh')
  if (script) fake.files.set('/workspace/d/run.sh', { ...script, executable: true })
  return fake
}

/** A listing of just these, with their contents where they have any. */
function listing(...entries: DirectoryEntry[]): FakeSupervisor {
  const fake = new FakeSupervisor()
  for (const { type, path } of entries) if (type === 'file') fake.put(path.toString(), 'content')
  fake.entries = { total: entries.length, capped: false, more: false, entries }
  return fake
}

describe.each(KINDS)('a directory as %s', (kind) => {
  test('comes out again as it was', async () => {
    const packed = await collected(pack(tree(), '.', kind))
    const there = new FakeSupervisor()
    await extract(packed, kind, there, { path: '.' })
    const before = tree()
    expect(contents(there)).toEqual(contents(before))
    expect([...there.directories].filter((each) => !each.includes('.cache')).sort()).toEqual(
      [...before.directories].sort(),
    )
  })

  test('is the same in every run', async () => {
    const [first, second] = await Promise.all([collected(pack(tree(), '.', kind)), collected(pack(tree(), '.', kind))])
    expect(first.equals(second)).toBe(true)
  })

  test('of random trees comes out again as it was', async () => {
    const random = seededRandom(kind.length)
    for (let round = 0; round < 10; round++) {
      const fake = new FakeSupervisor()
      fake.pageEntries = 1 + Math.floor(random() * 10)
      const names = Array.from({ length: 3 }, () => randomName(random))
      for (let at = 0; at < 30; at++) {
        const depth = 1 + Math.floor(random() * 4)
        // A directory's name never is a file's: the last part of a path tells.
        const parts = Array.from({ length: depth }, () => names[Math.floor(random() * names.length)] ?? 'n')
        const content = random() < 0.1 ? LARGE : seededBytes(Math.floor(random() * 2000), at)
        fake.put(`${parts.join('/')}/f${Math.floor(random() * 5)}`, content)
      }
      const there = new FakeSupervisor()
      await extract(await collected(pack(fake, '.', kind)), kind, there, { path: '.' })
      expect(contents(there), `round ${round}`).toEqual(contents(fake))
    }
  })

  test('may be one file', async () => {
    const packed = await collected(pack(tree(), 'd/large', kind))
    const there = new FakeSupervisor()
    await extract(packed, kind, there, { path: '.' })
    expect([...there.files.keys()]).toEqual(['/workspace/large'])
    expect(there.files.get('/workspace/large')?.data.equals(LARGE)).toBe(true)
  })

  test('that is empty is an archive too', async () => {
    const fake = new FakeSupervisor()
    fake.directories.add('/workspace/empty')
    expect((await collected(pack(fake, 'empty', kind))).length).toBeGreaterThan(20)
  })

  test('that is not there is told before the first byte', async () => {
    await expectCode(collected(pack(tree(), 'nothing', kind)), 'not_found')
  })

  test('a large file that changes while it is read fails the stream', async () => {
    const fake = tree()
    fake.onRead = (path) => path.endsWith('large') && fake.put('d/large', OTHER_LARGE)
    const { message } = await expectCode(collected(pack(fake, '.', kind)), 'stale_version')
    expect(message).toBe('d/large changed while it was packed.')
  })

  test('a large file that is gone when it is read fails the stream', async () => {
    const fake = tree()
    fake.onRead = (path) => path.endsWith('large') && fake.files.delete(path)
    await expectCode(collected(pack(fake, '.', kind)), 'stale_version')
  })

  test('files that went or grew after they were listed are packed as they are', async () => {
    const fake = tree()
    fake.onRead = (path) => {
      if (path.endsWith('/a')) fake.files.delete(path)
      if (path.endsWith('run.sh')) fake.put('d/run.sh', OTHER_LARGE)
      fake.onRead = path.endsWith('run.sh') ? undefined : fake.onRead
    }
    const there = new FakeSupervisor()
    await extract(await collected(pack(fake, '.', kind)), kind, there, { path: '.' })
    expect(there.files.has('/workspace/a')).toBe(false)
    expect(there.files.get('/workspace/d/run.sh')?.data.equals(OTHER_LARGE)).toBe(true)
  })

  test('an abort ends it with its reason', async () => {
    const controller = new AbortController()
    const fake = tree()
    const reason = new Error('enough')
    fake.onRead = (path) => {
      if (!path.endsWith('large')) return
      controller.abort(reason)
      throw reason
    }
    expect(await failureOf(collected(pack(fake, '.', kind, controller.signal)))).toBe(reason)
    await expect(collected(pack(tree(), '.', kind, controller.signal))).rejects.toBe(reason)
  })

  test('it may be left early', async () => {
    const pieces: Buffer[] = []
    for await (const piece of pack(tree(), '.', kind)) {
      pieces.push(piece)
      break
    }
    expect(pieces.length).toBe(1)
  })

  test('sockets, pipes and devices are left out, and counted', async () => {
    const packed = pack(listing(entryOf('pipe', { type: 'other' }), entryOf('x')), '.', kind)
    const there = new FakeSupervisor()
    await extract(await collected(packed), kind, there, { path: '.' })
    expect([...there.files.keys()]).toEqual(['/workspace/x'])
    expect(packed.leftOut).toBe(1)
  })

  test.each([
    ['../x', 'internal'],
    ['a/../../x', 'internal'],
    ['/etc/passwd', 'internal'],
    [Buffer.from([0x66, 0xff]), 'invalid_argument'],
  ] as const)('a listing with %j is refused', async (path, code) => {
    await expectCode(collected(pack(listing(entryOf(path)), '.', kind)), code)
  })
})

test('bits, times and order are those of the files', async () => {
  const found = await entriesOf(await collected(pack(tree())))
  expect(found.map(({ name }) => name)).toEqual([
    'a',
    'a-b/',
    'a-b/x',
    'd/',
    'd/large',
    'd/run.sh',
    'empty/',
    'é/',
    'é/日本',
  ])
  const [script] = found.filter(({ name }) => name === 'd/run.sh')
  expect(script).toMatchObject({ mode: 0o755, mtime: new Date(Date.UTC(2026, 0, 2, 3, 4, 5)), uid: 0, uname: '' })
})

test.each([
  [8e15, 2 ** 31 - 1],
  [-8e15, 0],
])('a time of %d ms, beyond what the formats hold, is brought within it', async (mtimeMs, seconds) => {
  const [entry] = await entriesOf(await collected(pack(listing(entryOf('x', { mtimeMs })))))
  expect(entry?.mtime).toEqual(new Date(seconds * 1000))
})

test('set-uid bits do not travel', async () => {
  const [entry] = await entriesOf(await collected(pack(listing(entryOf('x', { mode: 0o6755 })))))
  expect(entry?.mode).toBe(0o755)
})

describe('symbolic links', () => {
  const links = () =>
    listing(
      entryOf('d', { type: 'directory' }),
      entryOf('d/in', { type: 'symlink', target: Buffer.from('../x') }),
      entryOf('d/out', { type: 'symlink', target: Buffer.from('../../x') }),
      entryOf('out', { type: 'symlink', target: Buffer.from('/etc/passwd') }),
      entryOf('x'),
    )

  test('that stay inside are kept in a tar, others left out', async () => {
    const packed = pack(links())
    const found = await entriesOf(await collected(packed))
    expect(found.map(({ name, type, linkname }) => [name, type, linkname])).toEqual([
      ['d/', 'directory', null],
      ['d/in', 'symlink', '../x'],
      ['x', 'file', null],
    ])
    expect(packed.leftOut).toBe(2)
  })

  test('are left out of a zip', async () => {
    const packed = pack(links(), '.', 'zip')
    await collected(packed)
    expect(packed.leftOut).toBe(3)
  })

  test.each([
    ['a', 'b', true],
    ['a', './b/../c', false],
    ['a', '..', false],
    ['d/a', '..', true],
    ['d/a', '../..', false],
    ['d/e/a', '../../x', true],
    ['d/e/a', '../x/../y', false],
    ['a', '/b', false],
    ['a', '', false],
    ['d/a', './../x', true],
  ])('%s -> %s stays inside: %s', (path, target, inside) => {
    expect(staysInside(path, target)).toBe(inside)
  })
})

describe('limits', () => {
  const limits = { maxEntries: 3, maxUnpackedBytes: 1000 }
  const packLimited = (fake: FakeSupervisor) =>
    collected(new PackedDirectory(fake.sandbox().files, '.', 'tar.gz', undefined, limits))

  test('of entries and of bytes are told before the first byte', async () => {
    const many = listing(...['a', 'b', 'c', 'd'].map((name) => entryOf(name)))
    expect((await expectCode(packLimited(many), 'too_large')).message).toBe('. has more than 3 files and directories.')
    const large = listing(entryOf('a', { sizeBytes: 600 }), entryOf('b', { sizeBytes: 600 }))
    expect((await expectCode(packLimited(large), 'too_large')).message).toBe('. has more than 1000 B.')
  })

  test('hold against a sandbox that lists without end', async () => {
    const endless = listing(entryOf('a'), entryOf('b'))
    endless.entries = { total: 2, capped: false, more: true, entries: [entryOf('a'), entryOf('b')] }
    await expectCode(packLimited(endless), 'too_large')
  })

  test('a listing that was capped is not taken for all', async () => {
    const capped = listing(entryOf('a'))
    capped.entries = { total: 1, capped: true, more: false, entries: [entryOf('a')] }
    await expectCode(packLimited(capped), 'too_large')
  })
})

test.each(['a\\b', 'C:x'])('%s is refused in a zip, whose readers would make another path of it', async (name) => {
  await expectCode(collected(pack(listing(entryOf(name)), '.', 'zip')), 'invalid_argument')
  expect(await entriesOf(await collected(pack(listing(entryOf(name)))))).toMatchObject([{ name }])
})

test('a directory that may not be read is an error, not an empty directory', async () => {
  const fake = listing(entryOf('secret', { type: 'directory', mode: 0o700 }))
  const { list } = fake
  const denied = new WireError('permission', 13)
  fake.list = (request) => (request.path.endsWith('secret') ? Promise.reject(denied) : list.call(fake, request))
  await expectCode(collected(pack(fake)), 'permission_denied')
})

function randomName(random: () => number): string {
  const alphabet = ['a', 'b', '-', ' ', 'é', '日', '.x', '_', '\n', 'n'.repeat(60)]
  return `n${Array.from({ length: 1 + Math.floor(random() * 4) }, () => alphabet[Math.floor(random() * alphabet.length)]).join('')}`
}
