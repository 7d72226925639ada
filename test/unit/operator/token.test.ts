import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readTokens } from '../../../src/http/auth/token-file.ts'
import { type ListedToken, token } from '../../../src/operator/token.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { temporaryDirectory } from '../../helpers/temporary-directory.ts'

interface Options {
  readonly name?: string
  readonly expires?: string
  readonly scope?: string
}

/** `sandbox-mcp token …` on a file of its own. */
function newCommand(json = false) {
  const path = join(temporaryDirectory(), 'tokens.json')
  const run = async (words: readonly string[], { name, expires, scope }: Options = {}) => {
    let text = ''
    const out = { write: (part: string) => void (text += part), isTerminal: false, json }
    await token({ words, name, expires, scope }, { path, out })
    return text
  }
  return { path, run }
}

test('add shows the token on a line of its own, once', async () => {
  const { path, run } = newCommand()
  const text = await run(['add', 'alice'], { name: 'laptop', expires: '90d', scope: 'use, admin' })
  expect(text).toMatch(
    /^Token [0-9a-f]{8} of alice \(sandbox:use sandbox:admin\), expires .*shown this once:\n\nsmcp_\S{43}\n$/,
  )
  const [stored] = readTokens(path)
  expect(stored).toMatchObject({ user: 'alice', name: 'laptop', scopes: ['sandbox:use', 'sandbox:admin'] })
  const days = (Date.parse(stored?.expires ?? '') - Date.parse(stored?.created ?? '')) / 86_400_000
  expect(days).toBeCloseTo(90, 3)
  expect(await run(['list'])).not.toContain('smcp_')
})

test('list shows who may connect, and which tokens have run out', async () => {
  const { run } = newCommand()
  await run(['add', 'alice'])
  await run(['add', 'bob'], { name: 'CI', expires: '1ms' })
  const lines = (await run(['list'])).split('\n')
  expect(lines[0]).toMatch(/^ID +USER +NAME +SCOPES +CREATED +EXPIRES$/)
  expect(lines[1]).toMatch(/^[0-9a-f]{8} +alice +sandbox:use +\S+ +never$/)
  await expect.poll(() => run(['list'])).toMatch(/bob +CI .*\(expired\)/)
})

test('revoke takes several, and each is gone', async () => {
  const { path, run } = newCommand(true)
  const ids = []
  for (const user of ['alice', 'bob', 'carol']) ids.push((JSON.parse(await run(['add', user])) as ListedToken).id)
  const revoked = JSON.parse(await run(['revoke', ...ids.slice(0, 2)])) as ListedToken[]
  expect(revoked.map(({ user }) => user)).toEqual(['alice', 'bob'])
  expect(readTokens(path).map(({ user }) => user)).toEqual(['carol'])
})

test('--json gives one document, with the token only where it is made, and never its hash', async () => {
  const { run } = newCommand(true)
  const added = JSON.parse(await run(['add', 'alice'])) as Record<string, unknown>
  expect(added).toMatchObject({
    user: 'alice',
    scopes: ['sandbox:use'],
    expired: false,
    token: expect.stringMatching(/^smcp_/),
  })
  const listed = JSON.parse(await run(['list'])) as Record<string, unknown>[]
  expect(Object.keys(listed[0] ?? {}).sort()).toEqual(['created', 'expired', 'id', 'scopes', 'user'])
})

test('list of a file that is not there yet is empty', async () => {
  const { run } = newCommand(true)
  expect(JSON.parse(await run(['list']))).toEqual([])
})

describe('a command that makes no sense changes nothing:', () => {
  test.each<[string, readonly string[], Options]>([
    ['none', [], {}],
    ['an unknown one', ['rotate', 'alice'], {}],
    ['add without a user', ['add'], {}],
    ['add of two users', ['add', 'alice', 'bob'], {}],
    ['add of a user with control characters', ['add', 'a\u001b[2J'], {}],
    ['a duration that is none', ['add', 'alice'], { expires: 'tomorrow' }],
    ['a duration of nothing', ['add', 'alice'], { expires: '0' }],
    ['a duration beyond all dates', ['add', 'alice'], { expires: '999999999999d' }],
    ['a scope that there is not', ['add', 'alice'], { scope: 'root' }],
    ['no scope', ['add', 'alice'], { scope: '' }],
    ['a name with line ends', ['add', 'alice'], { name: 'a\nb' }],
    ['list of something', ['list', 'alice'], {}],
    ['revoke of nothing', ['revoke'], {}],
  ])('%s', async (_name, words, options) => {
    const { path, run } = newCommand()
    await expectCode(run(words, options), 'invalid_argument')
    expect(readTokens(path)).toEqual([])
  })
})
