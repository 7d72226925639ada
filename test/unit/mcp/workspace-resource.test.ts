import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { workspaceResource } from '../../../src/mcp/workspace-resource.ts'
import { roomyAdmission } from '../../helpers/admission.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeProvider } from '../../helpers/fake-provider.ts'
import { entryOf } from '../../helpers/fake-supervisor.ts'

const ALICE = { user: 'alice', transport: 'stdio' } as const
const TEMPLATE = 'sandbox:///workspace/{+path}'
const signal = new AbortController().signal

/** Alice has a sandbox, and nobody else has. */
async function setUp(admission = roomyAdmission()) {
  const provider = new FakeProvider()
  ;(await provider.acquire('alice', {})).release()
  provider.acquired.splice(1)
  const resource = workspaceResource({ provider, admission })
  const supervisor = provider.supervisor('alice')
  return {
    provider,
    supervisor,
    list: (user = 'alice') => resource.list({ ...ALICE, user }, signal),
    read: (uri: string, user = 'alice') => resource.read({ ...ALICE, user }, uri, signal),
    complete: (value: string, variable = 'path', user = 'alice') =>
      resource.complete?.({ ...ALICE, user }, { uriTemplate: TEMPLATE, variable, value }, signal),
    entries(...entries: ReturnType<typeof entryOf>[]) {
      supervisor.entries = { total: entries.length, capped: false, more: false, entries }
    },
  }
}

describe('listing the workspace', () => {
  test('gives regular files of a modest size, with their type as far as the name tells', async () => {
    const { list, entries } = await setUp()
    entries(
      entryOf('src/main.py'),
      entryOf('README.md', { sizeBytes: 65_536 }),
      entryOf('big.csv', { sizeBytes: 65_537 }),
      entryOf('src', { type: 'directory' }),
      entryOf('node_modules', { type: 'directory', folded: 1000 }),
      entryOf('link', { type: 'symlink' }),
      entryOf('pipe', { type: 'other' }),
    )
    expect(await list()).toEqual([
      { uri: 'sandbox:///workspace/src/main.py', name: 'src/main.py', size: 10 },
      { uri: 'sandbox:///workspace/README.md', name: 'README.md', size: 65_536, mimeType: 'text/markdown' },
    ])
  })

  test('asks for the newest, without hidden ones, and gives twenty at most', async () => {
    const { list, entries, supervisor } = await setUp()
    entries(...Array.from({ length: 500 }, (_, at) => entryOf(`file-${at}`)))
    expect((await list()).map(({ name }) => name)).toEqual(Array.from({ length: 20 }, (_, at) => `file-${at}`))
    expect(supervisor.listed).toMatchObject([{ path: '/workspace', hidden: false, sort: 'mtime', limit: 500 }])
    expect(supervisor.listed[0]?.folds).toContain('node_modules')
  })

  test('writes hostile names so that they end no URI and hide nothing; leaves out what no URI can carry', async () => {
    const { list, entries } = await setUp()
    entries(
      entryOf('a b?c#d%2e/é\u202e.txt'),
      entryOf('line\nbreak\x1b[31m'),
      entryOf(Buffer.from([0x66, 0xff, 0x6f])),
      entryOf('100%'),
    )
    expect((await list()).map(({ uri, name }) => [uri, name])).toEqual([
      ['sandbox:///workspace/a%20b%3Fc%23d%252e/%C3%A9%E2%80%AE.txt', 'a b?c#d%2e/é\\u{202e}.txt'],
      ['sandbox:///workspace/line%0Abreak%1B%5B31m', 'line\\nbreak'],
      ['sandbox:///workspace/100%25', '100%'],
    ])
  })

  test('is empty, and starts nothing, for a user without a sandbox and for one whose sandbox sleeps', async () => {
    const { list, provider, entries } = await setUp()
    entries(entryOf('a'))
    expect(await list('bob')).toEqual([])
    provider.asleep.add('alice')
    expect(await list()).toEqual([])
    expect(provider.acquired).toEqual(['alice'])
  })

  test('offers nothing while the sandbox cannot be reached, and passes on every other failure', async () => {
    const { list, provider } = await setUp()
    provider.before = () => Promise.reject(new SandboxError('engine_unreachable', 'It does not answer.'))
    expect(await list()).toEqual([])
    provider.before = () => Promise.reject(new TypeError('a bug'))
    await expect(list()).rejects.toThrow('a bug')
    expect(provider.held).toBe(0)
  })
})

describe('reading a file of the workspace', () => {
  test.each([
    ['notes.md', '# hi\n', 'text/markdown'],
    ['main.ts', 'const a = 1', 'text/plain'],
    ['DATA.JSON', '{}', 'application/json'],
    ['Makefile', '', 'text/plain'],
    ['picture.png', 'not a picture', 'text/plain'],
    ['constructor', 'x', 'text/plain'],
  ])('gives the text of %s', async (name, text, mimeType) => {
    const { read, supervisor } = await setUp()
    supervisor.put(name, text)
    const uri = `sandbox:///workspace/${name}`
    expect(await read(uri)).toEqual([{ uri, mimeType, text }])
  })

  test.each([
    ['a.txt', Buffer.from([0xff, 0xfe]), 'application/octet-stream'],
    ['nul.txt', Buffer.from('a\0b'), 'application/octet-stream'],
    ['a.pdf', Buffer.from('%PDF-\xff', 'latin1'), 'application/pdf'],
    ['a.png', Buffer.from([0xff]), 'application/octet-stream'],
    ['any', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), 'image/png'],
  ])('gives %s, which is no text, as base64, whatever its name says', async (name, data, mimeType) => {
    const { read, supervisor } = await setUp()
    supervisor.put(name, data)
    const uri = `sandbox:///workspace/${name}`
    expect(await read(uri)).toEqual([{ uri, mimeType, blob: data.toString('base64') }])
  })

  test.each(['a b', 'é/ü.txt', '100%', '%41', 'a?b#c', 'line\nbreak', "it's (1)!*", '.hidden', 'a+b&c=d;e,f@g:h$'])(
    'finds %j by the URI of the list, and by one that a client expanded the template to',
    async (name) => {
      const { read, list, entries, supervisor } = await setUp()
      supervisor.put(name, 'found')
      entries(entryOf(name))
      const [listed] = await list()
      expect(await read(listed?.uri ?? '')).toMatchObject([{ text: 'found' }])
      // RFC 6570 section 3.2.3: reserved characters stay as they are.
      expect(await read(`sandbox:///workspace/${encodeURI(name)}`)).toMatchObject([{ text: 'found' }])
    },
  )

  test('resolves dot segments first, and takes a path that leaves the workspace for another kind of URI', async () => {
    const { read, supervisor } = await setUp()
    supervisor.put('a', 'found')
    expect(await read('sandbox:///workspace/b/../a')).toMatchObject([{ text: 'found' }])
    for (const path of ['../etc/passwd', '%2e%2e/etc/passwd', 'a/../../etc/passwd', '..%2fetc/passwd']) {
      expect(await read(`sandbox:///workspace/${path}`)).toBeUndefined()
    }
  })

  test.each(['sandbox://runtime', 'file:///workspace/a', 'sandbox:///workspaces/a', 'sandbox://host/workspace/a', 'a'])(
    'leaves %s to others',
    async (uri) => {
      expect(await (await setUp()).read(uri)).toBeUndefined()
    },
  )

  test('a URI that is no UTF-8, or holds a NUL, is told as such', async () => {
    const { read } = await setUp()
    await expectCode(read('sandbox:///workspace/%FF'), 'invalid_argument')
    await expectCode(read('sandbox:///workspace/%'), 'invalid_argument')
    await expectCode(read('sandbox:///workspace/a%00b'), 'invalid_argument')
  })

  test('what is not there, or no file, or too large is told with its code', async () => {
    const { read, supervisor } = await setUp()
    supervisor.directories.add('/workspace/src')
    supervisor.put('big', Buffer.alloc(768 * 1024 + 1))
    supervisor.put('fits', Buffer.alloc(768 * 1024, 'x'))
    await expectCode(read('sandbox:///workspace/gone'), 'not_found')
    await expectCode(read('sandbox:///workspace/src'), 'is_directory')
    await expectCode(read('sandbox:///workspace/big'), 'too_large')
    expect(await read('sandbox:///workspace/fits')).toMatchObject([{ mimeType: 'text/plain' }])
  })

  test('wakes a sandbox that sleeps, and creates none', async () => {
    const { read, supervisor, provider } = await setUp()
    supervisor.put('a', 'kept')
    provider.asleep.add('alice')
    expect(await read('sandbox:///workspace/a')).toMatchObject([{ text: 'kept' }])
    const error = await expectCode(read('sandbox:///workspace/a', 'bob'), 'not_found')
    expect(error.message).toBe('There is no sandbox yet, and so no file in it.')
    expect(provider.acquired).toEqual(['alice', 'alice'])
    expect(provider.held).toBe(0)
  })

  test('counts for the caps on calls', async () => {
    const admission = roomyAdmission({ maxCallsPerUser: 1, queueTimeoutMs: 0 })
    const { read } = await setUp(admission)
    const running = deferred<void>()
    const first = admission.run('alice', undefined, () => running.promise)
    await expectCode(read('sandbox:///workspace/a'), 'sandbox_limit')
    running.resolve()
    await first
  })
})

describe('completing a path', () => {
  test('gives the names that begin so, directories with a slash', async () => {
    const { complete, entries, supervisor } = await setUp()
    entries(
      entryOf('main.py'),
      entryOf('maps', { type: 'directory' }),
      entryOf('other'),
      entryOf('mad', { type: 'other' }),
    )
    expect(await complete('src/ma')).toEqual(['src/main.py', 'src/maps/'])
    expect(await complete('src/main.py')).toEqual(['src/main.py'])
    expect(supervisor.listed[0]).toMatchObject({ path: '/workspace/src', depth: 1, hidden: false, sort: 'name' })
    expect(await complete('ma')).toEqual(['main.py', 'maps/'])
    expect(supervisor.listed.at(-1)).toMatchObject({ path: '/workspace' })
  })

  test('shows hidden names once a dot is typed', async () => {
    const { complete, entries, supervisor } = await setUp()
    entries(entryOf('.env'))
    expect(await complete('.')).toEqual(['.env'])
    expect(supervisor.listed.at(-1)).toMatchObject({ hidden: true })
  })

  test('gives one more than an answer may hold, so that the answer can say that there are more', async () => {
    const { complete, entries } = await setUp()
    entries(...Array.from({ length: 300 }, (_, at) => entryOf(`a${at}`)))
    expect(await complete('a')).toHaveLength(101)
  })

  test('gives nothing for another variable, outside of the workspace, or without a running sandbox', async () => {
    const { complete, entries, provider } = await setUp()
    entries(entryOf('a'))
    expect(await complete('a', 'other')).toEqual([])
    expect(await complete('../a')).toEqual([])
    expect(await complete(`${'x'.repeat(300)}/a`)).toEqual([])
    expect(await complete('a', 'path', 'bob')).toEqual([])
    provider.asleep.add('alice')
    expect(await complete('a')).toEqual([])
  })
})
