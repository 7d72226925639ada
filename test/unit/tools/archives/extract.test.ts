import { gzipSync } from 'node:zlib'
import { type Header, pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../../src/errors/sandbox-error.ts'
import { WireError } from '../../../../src/supervisor/errors.ts'
import type { ArchiveKind } from '../../../../src/tools/archives/archive.ts'
import { extractArchive } from '../../../../src/tools/archives/extract.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { FakeSupervisor } from '../../../helpers/fake-supervisor.ts'
import { zip } from '../../../helpers/zip.ts'
import { seededBytes } from '../../../helpers/random.ts'

type TarEntry = Partial<Header> & { name: string; content?: string | Buffer }

async function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  const packed = pack()
  for (const { content = '', ...header } of entries) packed.entry(header, content)
  packed.finalize()
  const pieces: Buffer[] = []
  for await (const piece of packed as unknown as AsyncIterable<Buffer>) pieces.push(piece)
  return Buffer.concat(pieces)
}

interface Options {
  readonly overwrite?: boolean
  readonly signal?: AbortSignal
}

function extract(bytes: Buffer, kind: ArchiveKind, fake = new FakeSupervisor(), options: Options = {}) {
  const signal = new AbortController().signal
  const target = { files: fake.sandbox().files, path: 'out', overwrite: true, signal, ...options }
  return extractArchive(bytes, kind, target)
}

/** Asserts that an archive is refused with this code and these words, and that nothing at all was written. */
async function expectRefused(bytes: Buffer, kind: ArchiveKind, code: 'invalid_argument' | 'too_large', words: RegExp) {
  const fake = new FakeSupervisor()
  const { message } = await expectCode(extract(bytes, kind, fake), code)
  expect(message).toMatch(words)
  expect(fake.files.size).toBe(0)
  expect([...fake.directories]).toEqual(['/workspace'])
}

const TREE: readonly TarEntry[] = [
  { name: './', type: 'directory' },
  { name: './src/', type: 'directory' },
  { name: './src/main.py', content: 'print(1)\n' },
  { name: 'run.sh', mode: 0o755, content: '#!/bin/sh\n' },
  { name: 'empty/', type: 'directory' },
]

describe('unpacking an archive', () => {
  test.each(['tar', 'tar.gz'] as const)(
    'a %s comes out with its directories, content and execute bits',
    async (kind) => {
      const fake = new FakeSupervisor()
      const plain = await tar(TREE)
      expect(await extract(kind === 'tar' ? plain : gzipSync(plain), kind, fake)).toEqual({ files: 2, bytes: 19 })
      expect(fake.text('out/src/main.py')).toBe('print(1)\n')
      expect(fake.files.get('/workspace/out/run.sh')?.executable).toBe(true)
      expect(fake.files.get('/workspace/out/src/main.py')?.executable).toBe(false)
      expect(fake.directories).toContain('/workspace/out/empty')
    },
  )

  test('a zip comes out with its directories, content and execute bits', async () => {
    const fake = new FakeSupervisor()
    const bytes = zip([
      { name: 'd/', mode: 0o040755 },
      { name: 'd/run', mode: 0o100755, data: Buffer.from('x') },
      { name: 'plain', data: Buffer.from('é') },
    ])
    expect(await extract(bytes, 'zip', fake)).toEqual({ files: 2, bytes: 3 })
    expect(fake.files.get('/workspace/out/d/run')?.executable).toBe(true)
    expect(fake.text('out/plain')).toBe('é')
  })

  test('a large file comes out whole, through pieces', async () => {
    const fake = new FakeSupervisor()
    const content = seededBytes(3_000_000)
    await extract(gzipSync(await tar([{ name: 'big', content }])), 'tar.gz', fake)
    expect(fake.files.get('/workspace/out/big')?.data.equals(content)).toBe(true)
  })

  describe.each([
    ['an absolute path', '/etc/passwd', /absolute path/],
    ['a way out', 'a/../../b', /leads out/],
    ['a way out at the end', 'a/..', /leads out/],
    ['a drive', 'C:/x', /absolute path/],
    ['too long a name', 'n'.repeat(256), /too long/],
  ])('%s is refused before anything is written', (_, name, words) => {
    test('in a tar', async () => {
      await expectRefused(
        await tar([
          { name: 'fine', content: 'x' },
          { name, content: 'x' },
        ]),
        'tar',
        'invalid_argument',
        words,
      )
    })

    test('in a zip', async () => {
      const bytes = zip([{ name: 'fine' }, { name, data: Buffer.from('x') }])
      // yauzl refuses some of them itself.
      const either = new RegExp(`${words.source}|not a readable zip`)
      await expectRefused(bytes, 'zip', 'invalid_argument', either)
    })
  })

  test('a backslash is refused in a tar, and a separator in a zip, where it must not lead out either', async () => {
    await expectRefused(await tar([{ name: 'a\\b', content: 'x' }]), 'tar', 'invalid_argument', /backslash/)
    const fake = new FakeSupervisor()
    await extract(zip([{ name: 'a\\b', data: Buffer.from('x') }]), 'zip', fake)
    expect(fake.text('out/a/b')).toBe('x')
    await expectRefused(zip([{ name: 'a\\..\\..\\b' }]), 'zip', 'invalid_argument', /not a readable zip|leads out/)
  })

  test.each([
    ['symlink', /a symbolic link/],
    ['link', /a hard link/],
    ['character-device', /a device/],
    ['block-device', /a device/],
    ['fifo', /a pipe/],
  ] as const)('a %s in a tar is refused', async (type, words) => {
    await expectRefused(await tar([{ name: 'x', type, linkname: '/etc' }]), 'tar', 'invalid_argument', words)
  })

  test.each([
    ['a symbolic link', { mode: 0o120777 }],
    ['a device', { mode: 0o060644 }],
    // Encryption puts 12 bytes before the content (APPNOTE 6.1).
    ['encrypted', { flags: 1, data: Buffer.alloc(16), declaredSize: 4 }],
  ])('%s in a zip is refused', async (words, entry) => {
    const bytes = zip([{ name: 'x', data: Buffer.from('/etc'), ...entry }])
    await expectRefused(bytes, 'zip', 'invalid_argument', new RegExp(words))
  })

  test('a path that is a file here and a directory there, or a file twice, is refused', async () => {
    const below = await tar([
      { name: 'a', content: 'x' },
      { name: 'a/b', content: 'x' },
    ])
    await expectRefused(below, 'tar', 'invalid_argument', /lies below a file/)
    const above = await tar([
      { name: 'a/b', content: 'x' },
      { name: 'a', content: 'x' },
    ])
    await expectRefused(above, 'tar', 'invalid_argument', /is there twice/)
    const twice = zip([{ name: 'a' }, { name: './a' }])
    await expectRefused(twice, 'zip', 'invalid_argument', /is there twice/)
  })

  test('more than 2,000 entries are refused', async () => {
    const entries = Array.from({ length: 2001 }, (_, at) => ({ name: `f${at}` }))
    await expectRefused(await tar(entries), 'tar', 'too_large', /2000 entries/)
    await expectRefused(zip(entries), 'zip', 'too_large', /2000 entries/)
  })

  test('a decompression bomb is refused by its ratio and by its size', async () => {
    const bomb = gzipSync(await tar([{ name: 'zeros', content: Buffer.alloc(32 * 1024 * 1024) }]))
    expect(bomb.length).toBeLessThan(64 * 1024)
    await expectRefused(bomb, 'tar.gz', 'too_large', /200 times/)
    const huge = await tar([{ name: 'zeros', content: Buffer.alloc(65 * 1024 * 1024) }])
    await expectRefused(huge, 'tar', 'too_large', /64 MiB/)
  })

  test('a zip whose directory lies about sizes is refused', async () => {
    const bytes = zip([{ name: 'a', data: Buffer.from('hello'), declaredSize: 2 }])
    await expectRefused(bytes, 'zip', 'invalid_argument', /not a readable zip/)
  })

  test.each([
    ['tar', Buffer.from('no archive')],
    ['tar', Buffer.alloc(0)],
    ['tar', Buffer.alloc(2048)],
    ['tar.gz', Buffer.from('no archive')],
    ['tar.gz', gzipSync('no archive')],
    ['zip', Buffer.from('no archive')],
    ['zip', Buffer.alloc(0)],
  ] as const)('what is no %s is refused', async (kind, bytes) => {
    await expectRefused(bytes, kind, 'invalid_argument', new RegExp(`not a readable ${kind}`))
  })

  test('an archive that is cut off is refused before anything is written', async () => {
    const plain = await tar([
      { name: 'first', content: 'x' },
      { name: 'second', content: seededBytes(5000) },
    ])
    await expectRefused(plain.subarray(0, 3000), 'tar', 'invalid_argument', /not a readable tar/)
    const gz = gzipSync(plain)
    await expectRefused(gz.subarray(0, gz.length - 2000), 'tar.gz', 'invalid_argument', /not a readable tar\.gz/)
  })

  test('overwrite=false refuses before anything is written when one file is there', async () => {
    const fake = new FakeSupervisor()
    fake.put('out/run.sh', 'mine')
    const { message } = await expectCode(extract(await tar(TREE), 'tar', fake, { overwrite: false }), 'already_exists')
    expect(message).toBe('out/run.sh exists already.')
    expect(fake.files.size).toBe(1)
  })

  test('when writing fails, new files of the call are removed and the error says so', async () => {
    const fake = new FakeSupervisor()
    fake.failWriteOf = { suffix: 'run.sh', error: new WireError('no_space', 28) }
    const { hint } = await expectCode(extract(await tar(TREE), 'tar', fake), 'disk_full')
    expect(hint).toContain('New files of this call were removed again')
    expect(fake.files.size).toBe(0)
  })

  test('a fault that is no SandboxError passes as it is', async () => {
    const fake = new FakeSupervisor()
    fake.failWriteOf = { suffix: 'run.sh', error: new TypeError('a bug') }
    await expect(extract(await tar(TREE), 'tar', fake)).rejects.toThrow(TypeError)
    expect(fake.files.size).toBe(0)
  })

  test('a cancelled call stops', async () => {
    const reason = new SandboxError('cancelled', 'Enough.')
    const signal = AbortSignal.abort(reason)
    await expect(extract(await tar(TREE), 'tar', new FakeSupervisor(), { signal })).rejects.toBe(reason)
  })
})
