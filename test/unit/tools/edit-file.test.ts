import { describe, expect, test } from 'vitest'
import { editFile } from '../../../src/tools/edit-file.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'

function fileOf(content: string | Buffer): FakeSupervisor {
  const fake = new FakeSupervisor()
  fake.put('a', content)
  return fake
}

function edit(fake: FakeSupervisor, edits: unknown, more: Record<string, unknown> = {}) {
  return runTool(editFile, { path: 'a', edits, ...more }, fake)
}

describe('edit_file', () => {
  test('tells in both channels what it changed', async () => {
    const fake = fileOf('one\ntwo\nthree\n')
    const outcome = await edit(fake, [{ old: 'two', new: '2' }])
    expect(fake.text('a')).toBe('one\n2\nthree\n')
    const diff = '@@ -1,3 +1,3 @@\n one\n-two\n+2\n three'
    expect(outcome.text).toBe(diff)
    expect(outcome.footer).toBe('[a · written · 1 replacement · +1 −1 lines · version s4]')
    expect(outcome.structured).toEqual({
      path: 'a',
      changed: true,
      replacements: [1],
      diff,
      diff_truncated: false,
      lines_added: 1,
      lines_removed: 1,
      version: 's4',
    })
  })

  test('edits apply in order, each to the result of the one before', async () => {
    const fake = fileOf('a b c\n')
    const outcome = await edit(fake, [
      { old: 'a', new: 'x' },
      { old: 'x b', new: 'y y' },
      { old: 'y', new: 'z', replace_all: true },
    ])
    expect(fake.text('a')).toBe('z z c\n')
    expect(outcome.structured).toMatchObject({ replacements: [1, 1, 2] })
    expect(outcome.footer).toContain('4 replacements (1, 1, 2)')
  })

  test('all or nothing: when one edit fails the file is as it was, and the error names the edit', async () => {
    const fake = fileOf('one\n')
    const failed = edit(fake, [
      { old: 'one', new: '1' },
      { old: 'two', new: '2' },
    ])
    const { message } = await expectCode(failed, 'no_match')
    expect(message).toBe('edits[1].old does not occur in the file.')
    expect(fake.text('a')).toBe('one\n')
  })

  test('a dry run shows the diff and writes nothing', async () => {
    const fake = fileOf('one\n')
    const outcome = await edit(fake, [{ old: 'one', new: '1' }], { dry_run: true })
    expect(fake.text('a')).toBe('one\n')
    expect(outcome.text).toContain('+1')
    expect(outcome.footer).toContain('dry run, nothing written')
    expect(outcome.structured).toMatchObject({ changed: false, version: 'rw' })
  })

  test('an edit is taken literally: no pattern, no $-sequence', async () => {
    const fake = fileOf('a.c\nabc\n')
    await edit(fake, [{ old: 'a.c', new: '$& $1 \\n' }])
    expect(fake.text('a')).toBe('$& $1 \\n\nabc\n')
  })

  test('CRLF: old with plain line ends matches, and what is new gets the file’s line ends', async () => {
    const fake = fileOf('one\r\ntwo\r\nthree\r\n')
    const outcome = await edit(fake, [{ old: 'one\ntwo\n', new: '1\n1½\n2\n' }])
    expect(fake.text('a')).toBe('1\r\n1½\r\n2\r\nthree\r\n')
    expect(outcome.text).not.toMatch(/\r|\\r/)
    await edit(fake, [{ old: '2\r\nthree', new: '2\nIII\r\nIV' }])
    expect(fake.text('a')).toBe('1\r\n1½\r\n2\r\nIII\r\nIV\r\n')
  })

  test('mixed line ends stay as they are where nothing is replaced, and follow the replaced text where it is', async () => {
    const fake = fileOf('a\r\nb\nc\r\nd\ne\r\nf\r\n')
    await edit(fake, [
      { old: 'b\nc', new: 'B\nC' },
      { old: 'd\n', new: 'D\nD\n' },
      { old: 'a', new: 'A\nA' },
    ])
    expect(fake.text('a')).toBe('A\r\nA\r\nB\nC\r\nD\nD\ne\r\nf\r\n')
  })

  test('a lone carriage return is text like any other', async () => {
    const fake = fileOf('10%\r20%\nend\n')
    await edit(fake, [{ old: '\r20%', new: '' }])
    expect(fake.text('a')).toBe('10%\nend\n')
  })

  test('a byte order mark stays, and is no part of the first line', async () => {
    const fake = fileOf('\ufeffone\n')
    await edit(fake, [{ old: 'one\n', new: 'two\n' }])
    expect(fake.text('a')).toBe('\ufefftwo\n')
  })

  test('characters of all planes survive', async () => {
    const fake = fileOf('\u{10000}\u{10348}\r\n🫠 é\r\n')
    await edit(fake, [{ old: '🫠', new: '\u{10000}\n🪿' }])
    expect(fake.text('a')).toBe('\u{10000}\u{10348}\r\n\u{10000}\r\n🪿 é\r\n')
  })

  test.each([
    ['UTF-16', Buffer.from('\ufeffone', 'utf16le')],
    ['Latin-1', Buffer.from('é', 'latin1')],
    ['NUL', Buffer.from('one\0two')],
  ])('a file that is not UTF-8 text is refused: %s', async (_, content) => {
    const fake = fileOf(content)
    await expectCode(edit(fake, [{ old: 'one', new: 'x' }]), 'binary_file')
    expect(fake.files.get('/workspace/a')?.data).toEqual(content)
  })

  test('several matches without replace_all are refused with their lines; overlapping ones count', async () => {
    const fake = fileOf('x\ny\nx\nxx\n')
    const error = await expectCode(edit(fake, [{ old: 'x', new: 'z' }]), 'ambiguous_match')
    expect(error.message).toBe('edits[0].old occurs 4 times, in lines 1, 3, 4.')
    await expectCode(edit(fileOf('aaa'), [{ old: 'aa', new: 'b' }]), 'ambiguous_match')
    const many = await expectCode(edit(fileOf('x\n'.repeat(50)), [{ old: 'x', new: 'z' }]), 'ambiguous_match')
    expect(many.message).toBe('edits[0].old occurs 50 times, in lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ….')
  })

  test('a miss shows the nearest text, its line and what differs, outside of the message', async () => {
    const error = await expectCode(edit(fileOf('if a:\n\treturn b\n'), [{ old: '    return b', new: 'x' }]), 'no_match')
    expect(error.message).toBe('edits[0].old does not occur in the file.')
    expect(error.excerpt).toContain('2\t\treturn b\nLine 2 differs only in white space')
  })

  test.each([
    [{ old: '', new: 'x' }, /edits\[0\]\.old is empty/, /write_file/],
    [{ old: 'x', new: 'x' }, /old and new are the same/, /Leave this edit out/],
    [{ old: 'x\r\n', new: 'x\n' }, /old and new are the same/, /Leave/],
    [{ old: 'x', new: 'a\ud800' }, /half of a surrogate pair/, /./],
    [{ old: 'x', new: 'a\0' }, /NUL/, /./],
  ])('an edit that means nothing is refused: %j', async (each, message, hint) => {
    const error = await expectCode(edit(fileOf('x\n'), [each]), 'invalid_argument')
    expect(error.message).toMatch(message)
    expect(error.hint).toMatch(hint)
  })

  test('if_version guards against a change since it was given', async () => {
    const fake = fileOf('old')
    await expectCode(edit(fake, [{ old: 'old', new: 'x' }], { if_version: 'zz' }), 'stale_version')
    const first = await edit(fake, [{ old: 'old', new: 'newer' }], { if_version: 'rv' })
    const { version } = first.structured as { version: string }
    await edit(fake, [{ old: 'newer', new: 'newest' }], { if_version: version })
    expect(fake.text('a')).toBe('newest')
  })

  test('a change by somebody else between reading and writing is not overwritten', async () => {
    const fake = fileOf('old')
    const read = fake.read.bind(fake)
    fake.read = async (...args) => {
      const info = await read(...args)
      fake.put('a', 'theirs')
      return info
    }
    await expectCode(edit(fake, [{ old: 'old', new: 'mine' }]), 'stale_version')
    expect(fake.text('a')).toBe('theirs')
  })

  test('edits that cancel each other out write nothing', async () => {
    const fake = fileOf('a')
    const outcome = await edit(fake, [
      { old: 'a', new: 'b' },
      { old: 'b', new: 'a' },
    ])
    expect(outcome.text).toBe('(no change)')
    expect(outcome.footer).toContain('unchanged')
    expect(outcome.structured).toMatchObject({ changed: false, replacements: [1, 1] })
  })

  test('a long diff is cut and says so; one that takes too long to make is left out', async () => {
    // Long lines, few changes: far from what takes too long, on a busy machine too.
    const lines = Array.from({ length: 400 }, (_, at) => `line ${at} ${'x'.repeat(100)}\n`)
    const cut = await edit(fileOf(lines.join('')), [{ old: '0', new: 'zero', replace_all: true }])
    expect(cut.text).toMatch(/\[… \d+ more lines of the diff …\]$/)
    expect(cut.structured).toMatchObject({
      diff_truncated: true,
      lines_added: lines.filter((line) => line.includes('0')).length,
    })
    const huge = Array.from({ length: 100_000 }, (_, at) => `line ${at}\n`).join('')
    const none = await edit(fileOf(huge), [{ old: 'line', new: 'row', replace_all: true }])
    expect(none.text).toBe('(the diff is too long to be shown)')
    expect(none.structured).toMatchObject({ replacements: [100_000], diff: '', diff_truncated: true })
  })

  test('too much is refused before it is made: files above 5 MiB, results above 10 MiB', async () => {
    await expectCode(edit(fileOf(Buffer.alloc(5 * 1024 * 1024 + 1, 'x')), [{ old: 'x', new: 'y' }]), 'too_large')
    const bomb = edit(fileOf('x'.repeat(1_000_000)), [{ old: 'x', new: 'y'.repeat(1000), replace_all: true }])
    await expectCode(bomb, 'too_large')
  })

  test('a missing file is not_found', async () => {
    await expectCode(runTool(editFile, { path: 'b', edits: [{ old: 'a', new: 'b' }] }), 'not_found')
  })
})
