import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { deferred } from '../../../../src/lib/deferred.ts'
import { SandboxError } from '../../../../src/errors/sandbox-error.ts'
import { WireError } from '../../../../src/supervisor/errors.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { expectOnly, expectRefused, extract } from '../../../helpers/extracting.ts'
import { failureOf } from '../../../helpers/failure.ts'
import { FakeSupervisor } from '../../../helpers/fake-supervisor.ts'
import { seededBytes } from '../../../helpers/random.ts'
import { tar, type TarEntry } from '../../../helpers/tar.ts'
import { zip } from '../../../helpers/zip.ts'

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

  test('more entries than are allowed are refused, directories that are only implied among them', async () => {
    const limits = { maxEntries: 20, maxUnpackedBytes: 1e9 }
    const entries = (count: number) => Array.from({ length: count }, (_, at) => ({ name: `d/f${at}` }))
    expect(await extract(await tar(entries(19)), 'tar', new FakeSupervisor(), { limits })).toMatchObject({ files: 19 })
    const words = /more than 20 files and directories/
    await expectRefused(await tar(entries(20)), 'tar', 'too_large', words, { limits })
    await expectRefused(zip(entries(20)), 'zip', 'too_large', words, { limits })
  })

  test('a decompression bomb is refused by its ratio, before it is unpacked', async () => {
    const zeros = Buffer.alloc(32 * 1024 * 1024)
    const bomb = gzipSync(await tar([{ name: 'zeros', content: zeros }]))
    expect(bomb.length).toBeLessThan(64 * 1024)
    await expectRefused(bomb, 'tar.gz', 'too_large', /200 times/)
    const deflated = zip([{ name: 'zeros', data: zeros, deflate: true }])
    expect(deflated.length).toBeLessThan(64 * 1024)
    await expectRefused(deflated, 'zip', 'too_large', /200 times/)
  })

  test('zeros after the end of an archive are a bomb too', async () => {
    const bomb = gzipSync(Buffer.concat([await tar(TREE), Buffer.alloc(32 * 1024 * 1024)]))
    await expectRefused(bomb, 'tar.gz', 'too_large', /200 times/)
  })

  test('what unpacks to more than is allowed is refused, whether it says so or not', async () => {
    const limits = { maxEntries: 10, maxUnpackedBytes: 10_000 }
    const words = /more than 9\.8 KiB/
    const large = { name: 'x', content: seededBytes(10_001) }
    await expectRefused(await tar([large]), 'tar', 'too_large', words, { limits })
    await expectRefused(zip([{ name: 'x', data: large.content }]), 'zip', 'too_large', words, { limits })
    const lying = zip([{ name: 'x', data: large.content, deflate: true, declaredSize: 5 }])
    await expectRefused(lying, 'zip', 'invalid_argument', /not a readable zip/, { limits })
  })

  test('entries of a zip that share their data count each by itself', async () => {
    const limits = { maxEntries: 100, maxUnpackedBytes: 50_000 }
    const shared = Array.from({ length: 6 }, (_, at) => ({
      name: `f${at}`,
      data: seededBytes(10_000),
      sharesFirst: at > 0,
    }))
    const bytes = zip(shared)
    expect(bytes.length).toBeLessThan(12_000)
    await expectRefused(bytes, 'zip', 'too_large', /48\.8 KiB/, { limits })
  })

  test('a zip whose directory lies about sizes is refused', async () => {
    const bytes = zip([{ name: 'a', data: Buffer.from('hello'), declaredSize: 2 }])
    await expectRefused(bytes, 'zip', 'invalid_argument', /not a readable zip/)
  })

  test('a zip whose content has another checksum is refused', async () => {
    const bytes = zip([{ name: 'a', data: Buffer.from('hello'), declaredCrc32: 1 }])
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

  test('a cancelled call stops', async () => {
    const reason = new SandboxError('cancelled', 'Enough.')
    const signal = AbortSignal.abort(reason)
    const fake = new FakeSupervisor()
    await expect(extract(await tar(TREE), 'tar', fake, { signal })).rejects.toBe(reason)
    expectOnly(fake)
  })
})

describe('what arrives is held against what was announced', () => {
  test.each(['tar', 'zip'] as const)('another digest of a %s changes nothing', async (kind) => {
    const bytes = kind === 'tar' ? await tar(TREE) : zip([{ name: 'x' }])
    const fake = new FakeSupervisor()
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const { message } = await expectCode(extract(bytes, kind, fake, { sha256: '0'.repeat(64) }), 'invalid_argument')
    expect(message).toBe(`sha256 does not match: the content that arrived has ${sha256}.`)
    expectOnly(fake)
    expect(await extract(bytes, kind, fake, { sha256 })).toMatchObject({ files: kind === 'tar' ? 2 : 1 })
  })

  test.each(['tar', 'zip'] as const)('a %s that is too large is refused', async (kind) => {
    const bytes = kind === 'tar' ? await tar(TREE) : zip([{ name: 'x' }])
    await expectRefused(bytes, kind, 'too_large', /arrived for out/, { maxBytes: bytes.length - 1 })
  })

  test.each(['tar', 'tar.gz', 'zip'] as const)('a source that breaks off in a %s has its say', async (kind) => {
    const plain = await tar(TREE)
    const bytes = { tar: plain, 'tar.gz': gzipSync(plain), zip: zip([{ name: 'x' }]) }[kind]
    async function* broken(): AsyncGenerator<Uint8Array> {
      await Promise.resolve()
      yield bytes.subarray(0, bytes.length - 20)
      throw new Error('the client is gone')
    }
    const fake = new FakeSupervisor()
    const extracting = fake.sandbox().transfer.extract(broken(), kind, 'out', { overwrite: true, maxBytes: 1e6 })
    await expect(extracting).rejects.toThrow('the client is gone')
    expectOnly(fake)
  })

  test.each(['tar', 'tar.gz', 'zip'] as const)('a source that stalls in a %s can be given up', async (kind) => {
    const controller = new AbortController()
    const stalled = deferred<void>()
    async function* stalling(): AsyncGenerator<Uint8Array> {
      yield (await tar(TREE)).subarray(0, kind === 'tar' ? 700 : 0)
      stalled.resolve()
      await new Promise<never>(() => {})
    }
    const fake = new FakeSupervisor()
    const options = { overwrite: true, maxBytes: 1e6 }
    const extracting = fake.sandbox().transfer.extract(stalling(), kind, 'out', options, controller.signal)
    const failure = failureOf(extracting)
    await stalled.promise
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await failure).toBe(reason)
    expectOnly(fake)
  })
})

describe('putting it in place', () => {
  test('new files come beside those that are there, and replace those of their name', async () => {
    const fake = new FakeSupervisor()
    fake.put('out/run.sh', 'old')
    fake.put('out/src/other.py', 'kept')
    fake.put('out/top', 'kept')
    await extract(await tar(TREE), 'tar', fake)
    expect(fake.text('out/run.sh')).toBe('#!/bin/sh\n')
    expect([fake.text('out/src/other.py'), fake.text('out/src/main.py'), fake.text('out/top')]).toEqual([
      'kept',
      'print(1)\n',
      'kept',
    ])
    expect([...fake.directories].filter((each) => !each.startsWith('/workspace/.cache'))).toEqual([
      '/workspace',
      '/workspace/out',
      '/workspace/out/src',
      '/workspace/out/empty',
    ])
  })

  test('a directory that is not there is made with those above it', async () => {
    const fake = new FakeSupervisor()
    await extract(await tar(TREE), 'tar', fake, { path: 'a/b/c' })
    expect(fake.text('a/b/c/src/main.py')).toBe('print(1)\n')
  })

  test('overwrite=false refuses when one file is there, and keeps everything as it is', async () => {
    const fake = new FakeSupervisor()
    fake.put('out/run.sh', 'mine')
    const { message } = await expectCode(extract(await tar(TREE), 'tar', fake, { overwrite: false }), 'already_exists')
    expect(message).toBe('out/run.sh exists already.')
    expectOnly(fake, ['out/run.sh'], ['out'])
  })

  test.each([true, false])(
    'a file where the archive has a directory is a conflict, overwrite=%s',
    async (overwrite) => {
      const fake = new FakeSupervisor()
      fake.put('out/src', 'a file')
      const { message } = await expectCode(extract(await tar(TREE), 'tar', fake, { overwrite }), 'already_exists')
      expect(message).toBe('out/src is there and is no directory, as it is in the archive.')
      expectOnly(fake, ['out/src'], ['out'])
    },
  )

  test('a directory where the archive has a file is a conflict', async () => {
    const fake = new FakeSupervisor()
    fake.put('out/run.sh/x', 'x')
    const { message } = await expectCode(extract(await tar(TREE), 'tar', fake), 'already_exists')
    expect(message).toBe('out/run.sh is a directory and not a file, as it is in the archive.')
    expectOnly(fake, ['out/run.sh/x'], ['out', 'out/run.sh'])
  })

  test('a target that is a file is refused', async () => {
    const fake = new FakeSupervisor()
    fake.put('out', 'a file')
    const { message } = await expectCode(extract(await tar(TREE), 'tar', fake), 'already_exists')
    expect(message).toBe('out is there and is no directory.')
  })

  test('when writing fails nothing is changed, and the error names the file by its own path', async () => {
    const fake = new FakeSupervisor()
    fake.put('out/run.sh', 'old')
    fake.failWriteOf = { suffix: 'run.sh', error: new WireError('no_space', 28) }
    const { message } = await expectCode(extract(await tar(TREE), 'tar', fake), 'disk_full')
    expect(message).toBe('No space is left for out/run.sh.')
    expect(fake.text('out/run.sh')).toBe('old')
    expectOnly(fake, ['out/run.sh'], ['out'])
  })

  test('when a rename fails the error tells how far it came, and nothing temporary is left', async () => {
    const fake = new FakeSupervisor()
    fake.failRenameTo = { suffix: '/out/run.sh', error: new WireError('permission', 13) }
    const { message, hint } = await expectCode(extract(await tar(TREE), 'tar', fake), 'permission_denied')
    expect(message).toBe('No permission for out/run.sh.')
    expect(hint).toContain('2 of 3 files and directories of the archive were put in place before that.')
    expect([...fake.files.keys()]).toEqual(['/workspace/out/src/main.py'])
  })

  test('a fault that is no SandboxError passes as it is', async () => {
    const fake = new FakeSupervisor()
    fake.failWriteOf = { suffix: 'run.sh', error: new TypeError('a bug') }
    await expect(extract(await tar(TREE), 'tar', fake)).rejects.toThrow(TypeError)
    expectOnly(fake)
  })
})
