import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { addToken, hashToken, readTokens, revokeToken } from '../../../../src/http/auth/token-file.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts'

const newPath = () => join(temporaryDirectory(), 'private', 'tokens.json')
const alice = { user: 'alice', scopes: ['sandbox:use' as const] }

test('a token is given once, and only its hash is kept', async () => {
  const path = newPath()
  const { token, stored } = await addToken(path, alice)
  expect(token).toMatch(/^smcp_[A-Za-z0-9_-]{43}$/)
  expect(stored.sha256).toBe(hashToken(token).toString('hex'))
  expect(readFileSync(path, 'utf8')).not.toContain(token.slice(5))
  expect(readTokens(path)).toEqual([stored])
})

test('the file and its folder are the operator’s alone', async () => {
  const path = newPath()
  await addToken(path, alice)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
})

test('a file that a group may read stays so, but is never everybody’s', async () => {
  const path = newPath()
  await addToken(path, alice)
  chmodSync(path, 0o644)
  await addToken(path, alice)
  expect(statSync(path).mode & 0o777).toBe(0o640)
})

test('a link to the file stays a link', async () => {
  const path = newPath()
  await addToken(path, alice)
  const link = join(temporaryDirectory(), 'link.json')
  symlinkSync(path, link)
  await addToken(link, alice)
  expect(readTokens(path)).toHaveLength(2)
  expect(readTokens(link)).toHaveLength(2)
})

test('tokens that are added at once are all there', async () => {
  const path = newPath()
  const added = await Promise.all(Array.from({ length: 20 }, () => addToken(path, alice)))
  const ids = added.map(({ stored }) => stored.id)
  expect(new Set(ids).size).toBe(20)
  expect(
    readTokens(path)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(ids.sort())
  expect(readdirSync(join(path, '..'))).toEqual(['tokens.json'])
})

test('a revoked token is gone; another id is an error', async () => {
  const path = newPath()
  const { stored } = await addToken(path, alice)
  const { stored: other } = await addToken(path, alice)
  await revokeToken(path, stored.id)
  expect(readTokens(path)).toEqual([other])
  await expectCode(revokeToken(path, stored.id), 'not_found')
  expect(readTokens(path)).toEqual([other])
})

test('a change that would make a file that cannot be read leaves the old one', async () => {
  const path = newPath()
  const { stored } = await addToken(path, alice)
  await expectCode(addToken(path, { ...alice, user: 'a\nb' }), 'config_invalid')
  expect(readTokens(path)).toEqual([stored])
  expect(existsSync(`${path}.lock`)).toBe(false)
})

describe('a file is refused whole that', () => {
  const token = {
    id: '01234567',
    user: 'alice',
    scopes: ['sandbox:use'],
    sha256: '0'.repeat(64),
    created: '2026-01-01T00:00:00.000Z',
  }
  test.each<[string, unknown]>([
    ['is no object', []],
    ['has no list', {}],
    ['has a key that nobody knows', { tokens: [], more: 1 }],
    ['has a token without a user', { tokens: [{ ...token, user: '' }] }],
    ['has a user with control characters', { tokens: [{ ...token, user: 'a\u0000' }] }],
    ['has a scope that there is not', { tokens: [{ ...token, scopes: ['root'] }] }],
    ['has a token without a scope', { tokens: [{ ...token, scopes: [] }] }],
    ['has a token in the clear', { tokens: [{ ...token, token: 'smcp_x' }] }],
    ['has an end that is no date', { tokens: [{ ...token, expires: 'never' }] }],
    ['has two tokens of one id', { tokens: [token, { ...token, sha256: '1'.repeat(64) }] }],
    ['has two tokens of one hash', { tokens: [token, { ...token, id: '76543210' }] }],
  ])('%s', async (_name, content) => {
    const path = join(temporaryDirectory(), 'tokens.json')
    writeFileSync(path, JSON.stringify(content))
    await expectCode(addToken(path, alice), 'config_invalid')
    expect(readFileSync(path, 'utf8')).toBe(JSON.stringify(content))
  })
})
