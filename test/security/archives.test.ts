import { gzipSync } from 'node:zlib'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { ArchiveKind } from '../../src/sandbox/archives/entry.ts'
import { deferred } from '../../src/lib/deferred.ts'
import { isSandboxError } from '../../src/errors/sandbox-error.ts'
import { failureOf } from '../helpers/failure.ts'
import { seededBytes } from '../helpers/random.ts'
import { useRealSandbox } from '../helpers/real-sandbox.ts'
import { octal, tar, tarHeader, tarOf } from '../helpers/tar.ts'
import { zip } from '../helpers/zip.ts'

const MIB = 1024 * 1024
const MANY = 10_000
const HELLO = Buffer.from('hello')
const FINE = [tarHeader({ name: 'fine', size: octal(HELLO.length) }), HELLO]

const sandbox = useRealSandbox('python-minimal')

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  await turn()
  yield bytes
}

function extract(bytes: Buffer, kind: ArchiveKind, path = 'out', signal?: AbortSignal) {
  return sandbox().sandbox.transfer.extract(once(bytes), kind, path, { overwrite: true, maxBytes: 100 * MIB }, signal)
}

/** All that there is where the user may write, with what it is, but for the supervisor's own. */
function everything(): Promise<string> {
  return sandbox().output(
    "find /workspace /tmp -path /tmp/.sandbox-etc -prune -o -path /tmp/.sandbox -prune -o -printf '%y %m %U %p\\n' | sort",
  )
}

const attack = (header: Parameters<typeof tarHeader>[0]) => tarOf(...FINE, tarHeader(header))

describe('a hostile archive is refused as a whole: nothing of it is written, anywhere', () => {
  test.each<[string, ArchiveKind, Buffer]>([
    ['../x', 'tar', attack({ name: '../x' })],
    ['/abs', 'tar', attack({ name: '/tmp/abs' })],
    ['a/../../b', 'tar', attack({ name: 'a/../../b' })],
    ['C:\\x', 'tar', attack({ name: 'C:\\x' })],
    ['..\\x', 'tar', attack({ name: '..\\x' })],
    [
      '../x in a zip',
      'zip',
      zip([
        { name: 'fine', data: HELLO },
        { name: '../x', data: HELLO },
      ]),
    ],
    ['a link, then a file through it', 'tar', tarOf(tarHeader({ name: 'd', type: '2', linkname: '/tmp' }), ...FINE)],
    ['an absolute link', 'tar', attack({ type: '2', linkname: '/etc/passwd' })],
    ['a hard link', 'tar', attack({ type: '1', linkname: '../../etc/passwd' })],
    ['a link in a zip', 'zip', zip([{ name: 'd', data: Buffer.from('/tmp'), mode: 0o120777 }])],
    ['a character device', 'tar', attack({ type: '3' })],
    ['a block device', 'tar', attack({ type: '4' })],
    ['a pipe', 'tar', attack({ type: '6' })],
    ['a sparse file', 'tar', attack({ type: 'S' })],
    ['an unknown type', 'tar', attack({ type: 'Q' })],
    ['a name of 5 GiB', 'tar', attack({ type: 'L', size: octal(5 * 1024 ** 3) })],
    ['xz', 'tar', Buffer.concat([Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), Buffer.alloc(2000)])],
    ['bzip2', 'tar.gz', Buffer.concat([Buffer.from('BZh9'), Buffer.alloc(2000)])],
    ['a bomb', 'tar.gz', gzipSync(tarOf(tarHeader({ size: octal(64 * MIB) }), Buffer.alloc(64 * MIB)))],
    ['8 EiB declared', 'tar', attack({ size: Buffer.from([0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255]) })],
    ['a negative size', 'tar', attack({ size: Buffer.from([...Buffer.alloc(11, 0xff), 0]) })],
    ['a size that is no number', 'tar', attack({ size: '99999999999' })],
    ['a wrong checksum', 'tar', attack({ checksum: '7777777' })],
    ['less than it says', 'tar', tarOf(...FINE).subarray(0, 700)],
  ])('%s', async (_, kind, bytes) => {
    await sandbox().output('mkdir -p /workspace/.cache/sandbox-mcp')
    const before = await everything()
    const failure = await failureOf(extract(bytes, kind))
    expect(['invalid_argument', 'too_large']).toContain(isSandboxError(failure) ? failure.code : failure)
    expect(await everything()).toBe(before)
  })
})

test('set-uid bits and owners stay outside', async () => {
  const header = tarHeader({ name: 'tool', mode: '0006755\0', size: octal(HELLO.length) })
  await extract(tarOf(header, HELLO), 'tar', 'owned')
  expect(await sandbox().output('stat -c %a owned/tool')).toBe('755')
  expect(await sandbox().output('stat -c %u owned/tool')).toBe(await sandbox().output('id -u'))
})

test('10,000 small files go in, are listed and come out, in bounded memory', { timeout: 180_000 }, async () => {
  const archive = await tar(
    Array.from({ length: MANY }, (_, at) => ({ name: `d${at % 100}/f${at}`, content: `file ${at}` })),
  )
  const before = process.memoryUsage.rss()
  expect(await extract(archive, 'tar', 'many')).toMatchObject({ files: MANY })
  expect(await sandbox().output('find many -type f | wc -l')).toBe(String(MANY))
  let bytes = 0
  for await (const piece of sandbox().sandbox.transfer.pack('many', 'tar.gz')) bytes += piece.length
  expect(bytes).toBeGreaterThan(MANY)
  expect(process.memoryUsage.rss() - before).toBeLessThan(200 * MIB)
})

describe('a stream that stands still', () => {
  test('holds up nobody else: commands, files and listings are answered, and an abort frees it', async () => {
    const { transfer, files } = sandbox().sandbox
    await sandbox().put('stuck/large', seededBytes(8 * MIB))
    const controller = new AbortController()
    const { signal } = controller
    const begun = deferred<void>()
    async function* standing(): AsyncGenerator<Buffer> {
      yield seededBytes(MIB)
      begun.resolve()
      await new Promise<never>(() => {})
    }
    const bounds = { overwrite: true, maxBytes: 100 * MIB }
    const uploads = [
      failureOf(transfer.write('stuck/up', standing(), { mode: 'create', maxBytes: MIB }, signal)),
      failureOf(transfer.extract(standing(), 'zip', 'stuck/out', bounds, signal)),
    ]
    const download = transfer.pack('stuck', 'tar.gz', signal)[Symbol.asyncIterator]()
    await download.next()
    const never = transfer.read('stuck/large', { offset: 0, length: 0 }, () => new Promise(() => {}), signal)
    const reading = failureOf(never)
    await begun.promise
    expect(await sandbox().output('echo here')).toBe('here')
    expect((await files.readBytes('stuck/large', 8 * MIB)).data.length).toBe(8 * MIB)
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await Promise.all([...uploads, reading])).toEqual([reason, reason, reason])
    expect(await sandbox().output('ls -A stuck')).toBe('large')
  })
})
