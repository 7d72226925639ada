import { beforeAll, describe, expect, test } from 'vitest'
import { searchFiles } from '../../../src/tools/search-files.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { useRealSandbox } from '../../helpers/real-sandbox.ts'

const withRipgrep = useRealSandbox('polyglot')
const withGrep = useRealSandbox('python-minimal')

/** Makes a tree with all that could make two programs differ. */
const TREE = `
mkdir -p tree && cd tree
mkdir -p .git node_modules/p src/.hidden src/deep/node_modules 'we
ird'
echo needle | tee .git/config node_modules/p/i.js src/deep/node_modules/x.js > src/.hidden/found
printf 'one\\nneedle 1\\nthree\\nNeedle 2\\nfive\\nsix\\nseven\\nneedle 3\\n' > src/a.ts
printf 'crlf needle\\r\\nend\\r\\n' > src/b.js
printf '\\357\\273\\277needle after a byte order mark\\n' > src/bom.txt
printf 'needle \\351 latin\\n' > src/latin1.txt
printf 'n\\303\\251edle na\\303\\257ve\\n' > src/unicode.txt
printf 'no newline at the end: needle' > src/deep/end.txt
printf 'needle\\0' > src/binary-early
(printf 'needle\\n'; head -c 300000 /dev/zero | tr '\\0' x; printf '\\n\\0\\n') > src/binary-late
printf '\\377\\376n\\0e\\0' > src/utf16.txt
(head -c 100000 /dev/zero | tr '\\0' x; printf 'needle\\n') > src/long-line
echo 'a needle' > 'we
ird/name
--
x:1:fake'
echo needle > "$(printf 'not-utf8-\\351')"
echo needle > -rf
ln -s a.ts src/link.ts; ln -s .. src/loop
mkfifo src/fifo
echo needle > unreadable && chmod 0 unreadable
echo needle > .gitignored; echo .gitignored > .gitignore
`

const ALL = [
  '.gitignored',
  '-rf',
  'not-utf8-\\xe9',
  'src/.hidden/found',
  'src/a.ts',
  'src/b.js',
  'src/bom.txt',
  'src/deep/end.txt',
  'src/latin1.txt',
  'src/long-line',
  'we\nird/name\n--\nx:1:fake',
]

beforeAll(async () => {
  for (const sandbox of [withRipgrep(), withGrep()]) await sandbox.output(TREE)
}, 60_000)

/** What both programs find; fails when they differ in anything. */
async function search(args: Record<string, unknown>) {
  const [one, other] = await Promise.all(
    [withRipgrep(), withGrep()].map((sandbox) => sandbox.call(searchFiles, { path: 'tree', ...args })),
  )
  expect(one).toEqual(other)
  return {
    ...one,
    structured: one?.structured as { matches: { path: string; line?: number; text?: string }[]; total: number },
  }
}

const names = (matches: readonly { path: string }[]) => matches.map(({ path }) => path.replace(/^tree\//, ''))

describe('search_files with ripgrep and with grep', () => {
  test('is tried with both', async () => {
    expect(await withRipgrep().output('command -v rg')).toContain('/rg')
    expect(await withGrep().output('command -v rg || echo none')).toBe('none')
  })

  test('finds the same files in byte order, whatever their names and bytes are', async () => {
    const { structured } = await search({ pattern: 'needle', output: 'files' })
    expect(names(structured.matches)).toEqual([...ALL].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
  })

  test('gives the same lines, with the file told exactly', async () => {
    const { structured } = await search({ pattern: 'needle' })
    const found = Object.fromEntries(structured.matches.map(({ path, text }) => [path.replace(/^tree\//, ''), text]))
    expect(found['src/b.js']).toBe('crlf needle')
    expect(found['src/latin1.txt']).toBe('needle \ufffd latin')
    expect(found['we\nird/name\n--\nx:1:fake']).toBe('a needle')
    expect(found['src/long-line']).toMatch(/^…x+needle$/)
    expect(found['not-utf8-\\xe9']).toBe('needle')
    expect(structured.total).toBe(12)
  })

  test('gives the same context, once for lines that are near each other', async () => {
    const { text } = await search({ pattern: 'needle', glob: 'a.ts', context: 1, ignore_case: true })
    expect(text).toBe(
      [
        'tree/src/a.ts',
        '  1- one',
        '  2: needle 1',
        '  3- three',
        '  4: Needle 2',
        '  5- five',
        '  --',
        '  7- seven',
        '  8: needle 3',
      ].join('\n'),
    )
  })

  test.each([
    [{ pattern: String.raw`^\w+dle na\w+$` }, ['src/unicode.txt']],
    [{ pattern: 'NÉEDLE', ignore_case: true }, ['src/unicode.txt']],
    [{ pattern: String.raw`\d$`, glob: '*.ts' }, ['src/a.ts']],
    [{ pattern: 'needle 1|end$', glob: 'src/**' }, ['src/a.ts']],
    [{ pattern: 'a.needle' }, ['we\nird/name\n--\nx:1:fake']],
    [{ pattern: '-n|needle 1' }, ['src/a.ts']],
    [{ pattern: '.ts', regex: false }, []],
    [{ pattern: 'needle', glob: '{src/deep,src/.hidden}/**' }, ['src/.hidden/found', 'src/deep/end.txt']],
    [{ pattern: 'needle', glob: '*.[jt]s' }, ['src/a.ts', 'src/b.js']],
    [{ pattern: 'needle', path: 'tree/src/b.js' }, ['src/b.js']],
    [{ pattern: 'needle', path: 'tree/-rf' }, ['-rf']],
    [{ pattern: 'needle', path: 'tree/src/deep/node_modules' }, ['src/deep/node_modules/x.js']],
  ])('%j finds %j', async (args, expected) => {
    const { structured } = await search({ ...args, output: 'files' })
    expect(names(structured.matches)).toEqual(expected)
  })

  test('a limit gives the first ones in order, with totals of all', async () => {
    const { structured, footer } = await search({ pattern: 'needle', limit: 3 })
    expect(names(structured.matches)).toEqual(['-rf', '.gitignored', 'not-utf8-\\xe9'])
    expect(structured).toMatchObject({ total: 12, files: 11, truncated: true })
    expect(footer).toMatch(/^\[12 matching lines in 11 files · 3 shown/)
  })

  test('names are found by pattern, with directories marked', async () => {
    const { structured } = await search({ pattern: '^(a|deep|node_modules)', in: 'name' })
    expect(names(structured.matches)).toEqual(['node_modules/', 'src/a.ts', 'src/deep/', 'src/deep/node_modules/'])
  })

  test('a pattern that grep would try in exponential time is refused with its reason, not waited for', async () => {
    const args = { pattern: '^(a+)+$', path: 'tree/evil' }
    for (const sandbox of [withRipgrep(), withGrep()]) await sandbox.put('tree/evil', `${'a'.repeat(5000)}!\n`)
    expect((await withRipgrep().call(searchFiles, args)).structured).toMatchObject({ total: 0 })
    const { message } = await expectCode(withGrep().call(searchFiles, args), 'invalid_argument')
    expect(message).toContain('backtracking limit')
  })
})

describe('a search that finds much', () => {
  test('brings no more into the server than its bounds, and says what is missing', async () => {
    await withGrep().output(
      'mkdir -p much && cd much && seq 1 3000 | while read n; do echo "match $n" > f$n; done; yes "match match match" | head -n 200000 > big',
    )
    const { structured } = await withGrep().call(searchFiles, { pattern: 'match', path: 'much', limit: 1000 })
    expect(structured).toMatchObject({ total: 203_000, files: 3001, truncated: true })
    expect(structured).not.toHaveProperty('total_is_minimum')
  })
})
