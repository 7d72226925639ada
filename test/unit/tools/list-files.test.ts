import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { describe, expect, test } from 'vitest'
import { listFiles } from '../../../src/tools/list-files.ts'
import type { EntryPage } from '../../../src/supervisor/protocol.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { entryOf, FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'

async function list(page: Partial<EntryPage>, args: Record<string, unknown> = {}) {
  const fake = new FakeSupervisor()
  const entries = page.entries ?? []
  fake.entries = { total: entries.length, capped: false, more: false, ...page, entries }
  return { ...(await runTool(listFiles, args, fake)), asked: fake.listed[0] }
}

describe('list_files', () => {
  test('both channels hold path, type, size and time of every entry', async () => {
    const outcome = await list({
      entries: [
        entryOf('src', { type: 'directory' }),
        entryOf('src/a.ts', { sizeBytes: 1536 }),
        entryOf('now', { type: 'symlink', target: Buffer.from('src/a.ts') }),
        entryOf('pipe', { type: 'other' }),
        entryOf('node_modules', { type: 'directory', folded: 1234 }),
      ],
    })
    expect(outcome.text.split('\n')).toEqual([
      '2026-01-02 03:04          -  src/',
      '2026-01-02 03:04    1.5 KiB  src/a.ts',
      '2026-01-02 03:04          -  now -> src/a.ts',
      '2026-01-02 03:04          -  pipe (special file)',
      '2026-01-02 03:04          -  node_modules/ (1234 entries, folded)',
    ])
    expect(outcome.footer).toBe('[. · 5 of 5]')
    const mtime = '2026-01-02T03:04:05Z'
    expect(outcome.structured).toEqual({
      path: '.',
      entries: [
        { path: 'src', type: 'directory', size: 10, mtime },
        { path: 'src/a.ts', type: 'file', size: 1536, mtime },
        { path: 'now', type: 'symlink', size: 10, mtime, target: 'src/a.ts' },
        { path: 'pipe', type: 'other', size: 10, mtime },
        { path: 'node_modules', type: 'directory', size: 10, mtime, folded: 1234 },
      ],
      total: 5,
      truncated: false,
    })
  })

  test('a hostile name is escaped in the text, exact in the structure, and flagged when it is no UTF-8', async () => {
    const outcome = await list({
      entries: [
        entryOf('a\nb\x1b[2J'),
        entryOf(Buffer.from([0x78, 0xff])),
        entryOf('l', { type: 'symlink', target: Buffer.from([0xfe]) }),
      ],
    })
    expect(outcome.text).toContain('a\\x0ab\\x1b[2J\n')
    expect(outcome.text).not.toContain('\x1b')
    const { entries } = outcome.structured as { entries: unknown[] }
    expect(entries).toMatchObject([
      { path: 'a\nb\x1b[2J' },
      { path: 'x\\xff', not_utf8: true },
      { target: '\\xfe', not_utf8: true },
    ])
  })

  test('a page leads to the next one', async () => {
    const outcome = await list(
      { entries: [entryOf('a'), entryOf('b')], total: 9, more: true },
      { cursor: '4', limit: 2 },
    )
    expect(outcome.asked).toMatchObject({ skip: 4, limit: 2 })
    expect(outcome.footer).toBe('[. · 2 of 9 · more: cursor=6]')
    expect(outcome.structured).toMatchObject({ truncated: true, next_cursor: '6', total: 9 })
  })

  test('a page stays below 25,000 tokens in each channel, and its cursor leads to the first entry left out', async () => {
    const entries = Array.from({ length: 1000 }, (_, at) => entryOf(`${at}-${'aB3'.repeat(40)}`))
    const outcome = await list({ entries }, { limit: 1000 })
    const { entries: shown, next_cursor: next } = outcome.structured as { entries: unknown[]; next_cursor: string }
    expect(encode(JSON.stringify(outcome.structured)).length).toBeLessThan(25_000)
    expect(encode(outcome.text).length).toBeLessThan(25_000)
    expect(shown.length).toBeGreaterThan(50)
    expect(next).toBe(String(shown.length))
  })

  test('parameters reach the supervisor; the depth follows the glob unless it is given', async () => {
    const globbed = await list({}, { path: 'src', glob: '**/*.{ts,js}', hidden: true, sort: 'size' })
    expect(globbed.asked).toMatchObject({
      path: '/workspace/src',
      globs: ['**/*.ts', '**/*.js'],
      depth: 64,
      hidden: true,
      sort: 'size',
      limit: 200,
      skip: 0,
      folds: ['.git', 'node_modules'],
    })
    expect((await list({}, { glob: '**', depth: 2 })).asked).toMatchObject({ depth: 2 })
    expect((await list({})).asked).toMatchObject({
      path: '/workspace',
      depth: 1,
      globs: [],
      hidden: false,
      sort: 'name',
    })
  })

  test('an empty directory and a walk that was cut short say so', async () => {
    expect((await list({})).text).toBe('(nothing)')
    const capped = await list({ entries: [entryOf('a')], total: 1_000_000, capped: true })
    expect(capped.footer).toBe('[. · 1 of at least 1000000]')
    expect(capped.structured).toMatchObject({ total_is_minimum: true })
  })

  test.each(['x', '-1', '1.5', '9999999999'])('a cursor that is none is refused: %s', async (cursor) => {
    await expectCode(list({}, { cursor }), 'invalid_argument')
  })

  test('a time beyond what a date holds does not break the listing', async () => {
    expect((await list({ entries: [entryOf('a', { mtimeMs: 9e18 })] })).text).toContain('1970-01-01 00:00')
  })
})
