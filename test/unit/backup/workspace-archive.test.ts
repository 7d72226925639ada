import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import type { Head, Totals } from '../../../src/backup/manifest.ts'
import { archiveOf, type ArchiveLimits, totalsOf, workspaceOf } from '../../../src/backup/workspace-archive.ts'
import { afterContent, beforeContent, END_MARK } from '../../../src/backup/archive/write-archive.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { entry, gathered, inPieces, type TestEntry, workspaceStream } from '../../helpers/workspace-stream.ts'

const LIMITS: ArchiveLimits = { maxBytes: 1024 ** 3, maxEntries: 1000 }
const HEAD: Head = {
  format: 1,
  createdAt: '2026-01-31T12:00:00.000Z',
  userHash: 'a'.repeat(32),
  runtime: 'python-minimal',
  uid: 1_100_001,
}
const TREE: readonly TestEntry[] = [
  { path: 'dir', type: 'directory', mode: 0o700 },
  { path: 'dir/file', content: 'hello' },
  { path: 'dir/link', type: 'symlink', target: '/etc/passwd', mode: 0o777 },
  {
    path: 'holes',
    size: 10_000,
    runs: [
      { offset: 4096, bytes: 3 },
      { offset: 10_000, bytes: 0 },
    ],
    content: 'abc',
  },
  { path: 'twin', type: 'hardlink', target: 'dir/file' },
  { path: '\xff\xfe', content: '' },
]

async function archived(stream: Buffer, limits = LIMITS) {
  let totals: Totals | undefined
  const archive = archiveOf(inPieces(stream), HEAD, tmpdir(), { limits, onTotals: (told) => (totals = told) })
  return { archive: await gathered(archive), totals }
}

async function unarchived(archive: Buffer, limits = LIMITS) {
  let head: Head | undefined
  let totals: Totals | undefined
  const stream = workspaceOf(inPieces(archive), {
    limits,
    onHead: (told) => (head = told),
    onTotals: (told) => (totals = told),
  })
  return { stream: await gathered(stream), head, totals }
}

describe('an archive', () => {
  test('gives the stream back that it was made of, byte for byte, with what it says of itself', async () => {
    const stream = workspaceStream(TREE)
    const { archive, totals } = await archived(stream)
    const back = await unarchived(archive)
    expect(back.stream.equals(stream)).toBe(true)
    expect(back.head).toEqual(HEAD)
    expect(back.totals).toEqual(totals)
    expect(totals).toMatchObject({ entries: 6, files: 3, bytes: 10_005 })
    expect(await totalsOf(inPieces(stream), { limits: LIMITS })).toEqual(totals)
  })

  test('has a manifest with the digest of each file as sha256sum tells it, holes as zeros', async () => {
    const { archive } = await archived(workspaceStream(TREE))
    const text = archive.toString('latin1')
    const content = Buffer.alloc(10_000)
    content.write('abc', 4096)
    const sha256 = createHash('sha256').update(content).digest('hex')
    expect(text).toContain(
      `"path":"holes","mode":"0644","mtime":"1700000000.123456789","size":10000,"sha256":"${sha256}"`,
    )
    expect(text).toContain('"pathBase64":"//4="')
  })

  test('does not depend on where a file has holes', async () => {
    const plain = workspaceStream([{ path: 'f', content: `${'\0'.repeat(4096)}x` }])
    const holes = workspaceStream([{ path: 'f', size: 4097, runs: [{ offset: 4096, bytes: 1 }], content: 'x' }])
    const totals = await totalsOf(inPieces(plain), { limits: LIMITS })
    expect((await totalsOf(inPieces(holes), { limits: LIMITS })).sha256).toBe(totals.sha256)
  })

  test.each<[string, TestEntry]>([
    ['a content', { path: 'f', content: 'hellO' }],
    ['a mode', { path: 'f', content: 'hello', mode: 0o600 }],
    ['a nanosecond', { path: 'f', content: 'hello', mtime: '1700000000.123456788' }],
    ['a name', { path: 'g', content: 'hello' }],
    ['a kind', { path: 'f', type: 'symlink', target: 'x' }],
  ])('has another digest for %s', async (_, changed) => {
    const of = (tree: TestEntry) => totalsOf(inPieces(workspaceStream([tree])), { limits: LIMITS })
    expect((await of(changed)).sha256).not.toBe((await of({ path: 'f', content: 'hello' })).sha256)
  })

  test('leaves out what cannot be kept, and counts it', async () => {
    const skipped = beforeContent(entry({ path: 'pipe' }))
    // The type of the ustar block, which is the last.
    const block = skipped.subarray(-512)
    block.write('6', 156, 'latin1')
    block.fill(' ', 148, 156)
    block.write(
      `${block
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
      'latin1',
    )
    const { archive, totals } = await archived(Buffer.concat([skipped, END_MARK]))
    expect(totals).toMatchObject({ entries: 0, skipped: { fifo: 1, socket: 0 } })
    expect((await unarchived(archive)).totals).toEqual(totals)
  })
})

describe('a hostile archive is refused', () => {
  test('wherever it is cut', async () => {
    const { archive } = await archived(workspaceStream(TREE))
    for (let bytes = 0; bytes < archive.length; bytes += 512) {
      await expectCode(unarchived(archive.subarray(0, bytes)), 'backup_damaged')
    }
  })

  test('when something follows it', async () => {
    const { archive } = await archived(workspaceStream(TREE))
    await expectCode(unarchived(Buffer.concat([archive, Buffer.alloc(1)])), 'backup_damaged')
  })

  test('when a file was changed and its header was not', async () => {
    const { archive } = await archived(workspaceStream(TREE))
    archive.write('jello', archive.indexOf('hello'), 'latin1')
    await expectCode(unarchived(archive), 'backup_damaged')
  })

  test('when its manifest was changed to fit', async () => {
    const { archive } = await archived(workspaceStream(TREE))
    archive.write('"mode":"0777"', archive.indexOf('"mode":"0644"'), 'latin1')
    await expectCode(unarchived(archive), 'backup_damaged')
  })

  test.each<[string, TestEntry]>([
    ['leads out', { path: 'workspace/../../etc/passwd' }],
    ['is absolute', { path: '/etc/passwd' }],
    ['is not below the workspace', { path: 'elsewhere/f' }],
    ['has an empty part', { path: 'workspace//f' }],
    ['is the workspace itself', { path: 'workspace' }],
    ['has a NUL', { path: 'workspace/a\0b'.padEnd(120, 'x') }],
    ['has a part that is too long', { path: `workspace/${'n'.repeat(256)}` }],
    ['is longer than any path', { path: `workspace/${'d/'.repeat(2100)}f` }],
  ])('when a name %s', async (_, bad) => {
    const head = Buffer.from(`${JSON.stringify(HEAD)}\n`)
    const headEntry = entry({ path: 'sandbox-mcp.json', size: head.length })
    const made = [beforeContent(headEntry), head, afterContent(headEntry), beforeContent(entry(bad)), END_MARK]
    await expectCode(unarchived(Buffer.concat(made)), 'backup_damaged')
  })

  test('when a hard link leads out of the workspace', async () => {
    await expectCode(archived(workspaceStream([{ path: 'l', type: 'hardlink', target: '../x' }])), 'backup_damaged')
  })

  test.each([
    [[{ offset: 0, bytes: 20 }], 10, 'outside of the file'],
    [
      [
        { offset: 5, bytes: 2 },
        { offset: 0, bytes: 2 },
      ],
      10,
      'out of order',
    ],
    [
      [
        { offset: 0, bytes: 5 },
        { offset: 4, bytes: 5 },
      ],
      10,
      'over one another',
    ],
  ])('when the runs of a file lie %j of %i: %s', async (runs, size) => {
    const content = 'x'.repeat(runs.reduce((sum, { bytes }) => sum + bytes, 0))
    await expectCode(archived(workspaceStream([{ path: 'f', size, runs, content }])), 'backup_damaged')
  })

  test('when it has too many entries, or too many bytes, holes included, before those are read', async () => {
    const { archive } = await archived(workspaceStream(TREE))
    await expectCode(unarchived(archive, { ...LIMITS, maxEntries: 5 }), 'too_large')
    await expectCode(unarchived(archive, { ...LIMITS, maxBytes: 10_004 }), 'too_large')
    const hole = workspaceStream([{ path: 'f', size: 2 ** 50, runs: [{ offset: 2 ** 50, bytes: 0 }] }])
    await expectCode(archived(hole), 'too_large')
  })

  test('when it is no backup, or one of another version', async () => {
    await expectCode(unarchived(workspaceStream([{ path: 'workspace/f', content: 'x' }])), 'backup_damaged')
    const head = `${JSON.stringify({ ...HEAD, format: 2 })}\n`
    await expectCode(unarchived(workspaceStream([{ path: 'sandbox-mcp.json', content: head }])), 'backup_damaged')
  })
})
