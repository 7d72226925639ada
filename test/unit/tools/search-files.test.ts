import { describe, expect, test } from 'vitest'
import type { StartRequest } from '../../../src/supervisor/encode.ts'
import { WireError } from '../../../src/supervisor/errors.ts'
import { searchFiles } from '../../../src/tools/search-files.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { entryOf, FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'

/** A workspace in which programs answer by their name and by whether they are asked to count. */
function world(answers: { counts: string; lines?: string; engine?: 'rg' | 'grep' }): FakeSupervisor {
  const fake = new FakeSupervisor()
  fake.onStart = ({ command }) => {
    const words = wordsOf({ command })
    if (words[0] !== (answers.engine ?? 'rg')) return new WireError('not_found', 2)
    if (words.includes('-rlHIZs')) return { stdout: answers.counts.replace(/\0\d+\n/g, '\0') }
    const isCount = words.includes('--count') || words.includes('-cHIZs')
    return { stdout: isCount ? answers.counts : (answers.lines ?? '') }
  }
  return fake
}

function wordsOf(request: Pick<StartRequest, 'command'> | undefined): string[] {
  const { command = [] } = request ?? {}
  return (typeof command === 'string' ? [command] : command).map(String)
}

const programs = (fake: FakeSupervisor) => fake.started.map(({ command }) => String(command[0]))

describe('search_files', () => {
  test('both channels tell everything on their own, in the order of the paths', async () => {
    const fake = world({
      counts: './b\x001\n./a\x002\n',
      lines: './a\x001:x1\n./a\x002-between\n./a\x003:x2\n./b\x007:x3\n',
    })
    const outcome = await runTool(searchFiles, { pattern: 'x', context: 1 }, fake)
    expect(outcome.text).toBe('a\n  1: x1\n  2- between\n  3: x2\nb\n  7: x3')
    expect(outcome.footer).toBe('[3 matching lines in 2 files]')
    expect(outcome.structured).toEqual({
      matches: [
        { path: 'a', line: 1, text: 'x1' },
        { path: 'a', line: 2, text: 'between', is_context: true },
        { path: 'a', line: 3, text: 'x2' },
        { path: 'b', line: 7, text: 'x3' },
      ],
      total: 3,
      files: 2,
      truncated: false,
    })
    expect(String(fake.started[1]?.command.slice(-2))).toBe('./a,./b')
  })

  test('the second pass opens no more files than are shown, and totals stay whole', async () => {
    const fake = world({
      counts: './a\x003\n./b\x001\n./c\x009\n',
      lines: './a\x001:x\n./a\x002:x\n./a\x003:x\n./b\x001:x\n',
    })
    const outcome = await runTool(searchFiles, { pattern: 'x', limit: 2 }, fake)
    expect(wordsOf(fake.started[1]).slice(-2)).toEqual(['--', './a'])
    expect(outcome.structured).toMatchObject({ total: 13, files: 3, truncated: true })
    expect((outcome.structured as { matches: unknown[] }).matches).toHaveLength(2)
    expect(outcome.footer).toBe(
      '[13 matching lines in 3 files · 2 shown: narrow it with path, glob or pattern, or raise limit]',
    )
  })

  test.each([
    ['files', 'a\nb', [{ path: 'a' }, { path: 'b' }]],
    [
      'count',
      'a: 2\nb: 1',
      [
        { path: 'a', count: 2 },
        { path: 'b', count: 1 },
      ],
    ],
  ])('output=%s needs one pass', async (output, text, matches) => {
    const fake = world({ counts: './b\x001\n./a\x002\n' })
    const outcome = await runTool(searchFiles, { pattern: 'x', output }, fake)
    expect(outcome.text).toBe(text)
    expect(outcome.structured).toMatchObject({ matches, total: 3, files: 2, truncated: false })
    expect(fake.started).toHaveLength(1)
  })

  test('without ripgrep GNU grep is used for all passes', async () => {
    const fake = world({ engine: 'grep', counts: './a\x001\n', lines: './a\x001:x\n' })
    const outcome = await runTool(searchFiles, { pattern: 'x' }, fake)
    expect(outcome.text).toBe('a\n  1: x')
    expect(programs(fake)).toEqual(['rg', 'grep', 'grep', 'grep'])
  })

  test('a runtime with neither says so', async () => {
    const fake = world({ counts: '' })
    fake.onStart = () => new WireError('not_found', 2)
    const { message } = await expectCode(runTool(searchFiles, { pattern: 'x' }, fake), 'image_unavailable')
    expect(message).toBe('The runtime has neither ripgrep nor GNU grep.')
  })

  test('a pattern that ripgrep refuses is tried with grep; refused by both it is invalid_argument with the reason', async () => {
    const fake = world({ counts: '' })
    fake.onStart = ({ command }) =>
      command[0] === 'rg'
        ? { exitCode: 2, stderr: 'regex parse error:\n    a{\n     ^\nerror: unclosed counted repetition\n' }
        : { stdout: '' }
    expect((await runTool(searchFiles, { pattern: 'a{' }, fake)).structured).toMatchObject({ total: 0 })
    fake.onStart = ({ command }) => ({ exitCode: 2, stderr: `${String(command[0])}: no good\n` })
    const { message } = await expectCode(runTool(searchFiles, { pattern: 'a{' }, fake), 'invalid_argument')
    expect(message).toBe('pattern: not a valid regular expression (no good).')
  })

  test('each argument stands by itself: no shell, and a pattern is never an option', async () => {
    const fake = world({ counts: './-rf\x001\n', lines: '' })
    await runTool(searchFiles, { pattern: '--pre=sh', regex: false, ignore_case: true }, fake)
    const [first] = fake.started
    expect(first?.command).toEqual(expect.arrayContaining(['-F', '--ignore-case', '--regexp=--pre=sh', '--', './']))
    expect(fake.started[1]?.command.at(-1)?.toString()).toBe('./-rf')
  })

  test('a search that ran out of time says that there may be more', async () => {
    const fake = world({ counts: '' })
    fake.onStart = () => ({ status: 'timed_out', exitCode: undefined, signal: 15, stdout: './a\x001\n./b\x00' })
    const outcome = await runTool(searchFiles, { pattern: 'x', output: 'files' }, fake)
    expect(outcome.text).toBe('a')
    expect(outcome.footer).toContain('at least 1 matching line in 1 file · there may be more')
    expect(outcome.structured).toMatchObject({ truncated: true, total_is_minimum: true })
  })

  test('a long line is cut around its match, and what is hidden in it made visible', async () => {
    const text = `${'a'.repeat(5000)}NEEDLE\x1b[31m\u202e${'b'.repeat(5000)}`
    const fake = world({ counts: './a\x001\n', lines: `./a\x001:${text}\n` })
    const outcome = await runTool(searchFiles, { pattern: 'needle', ignore_case: true }, fake)
    expect(outcome.text).toContain('aNEEDLE\\x1b[31m\\u{202e}b')
    expect(outcome.text).toMatch(/^a\n {2}1: …a+NEEDLE.*b…$/)
    expect(outcome.text.length).toBeLessThan(400)
  })

  test('names are matched without their directories, unless the pattern has a slash', async () => {
    const fake = new FakeSupervisor()
    const entries = [entryOf('src', { type: 'directory' }), entryOf('src/a.ts'), entryOf('test/src.md')]
    fake.entries = { total: 3, capped: false, more: false, entries }
    const names = await runTool(searchFiles, { pattern: 'src', in: 'name' }, fake)
    expect(names.text).toBe('src/\ntest/src.md')
    expect(names.footer).toBe('[2 names]')
    expect((await runTool(searchFiles, { pattern: 'src/.*ts$', in: 'name' }, fake)).text).toBe('src/a.ts')
    expect(fake.listed[0]).toMatchObject({ hidden: true, depth: 64, sort: 'name', folds: ['.git', 'node_modules'] })
  })

  test('a binary file that is named is an error, not "nothing found"', async () => {
    const fake = new FakeSupervisor()
    fake.put('a.bin', 'x\0')
    await expectCode(runTool(searchFiles, { pattern: 'x', path: 'a.bin' }, fake), 'binary_file')
  })

  test('a result holds no more than a model can take', async () => {
    const many = Array.from({ length: 1000 }, (_, at) => `./a\x00${at + 1}:${'Zq3+'.repeat(70)}\n`).join('')
    const fake = world({ counts: './a\x001000\n', lines: many })
    const outcome = await runTool(searchFiles, { pattern: 'Z', limit: 1000 }, fake)
    const { matches } = outcome.structured as { matches: unknown[] }
    expect(matches.length).toBeLessThan(1000)
    expect(outcome.structured).toMatchObject({ total: 1000, truncated: true })
    expect(outcome.footer).toContain(`${matches.length} shown`)
  })
})
