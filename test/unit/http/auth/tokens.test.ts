import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { addToken, type NewToken, revokeToken } from '../../../../src/http/auth/token-file.ts'
import { authenticateByTokens } from '../../../../src/http/auth/tokens.ts'
import { silentLogger } from '../../../../src/lib/logger.ts'
import { startFront } from '../../../helpers/http-front.ts'
import { recordingLogger } from '../../../helpers/recording-logger.ts'
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts'
import { askWho, bearer, whoAmI } from '../../../helpers/who-am-i.ts'

// Waits for the system to tell of a change, or for timeouts of the server: more than a busy machine takes.
vi.setConfig({ testTimeout: 20_000 })

const REFUSED = {
  status: 401,
  challenge: 'Bearer realm="sandbox-mcp", error="invalid_token"',
  body: { error: { code: 'unauthenticated', message: 'The credential is not valid.', hint: expect.any(String) } },
}

async function start(...wanted: Partial<NewToken>[]) {
  const path = join(temporaryDirectory(), 'tokens.json')
  const add = (token: Partial<NewToken> = {}) => addToken(path, { user: 'alice', scopes: ['sandbox:use'], ...token })
  const added = []
  for (const token of wanted) added.push(await add(token))
  const { logger, lines } = recordingLogger()
  const address = await startFront({
    flags: { auth: 'tokens', 'tokens-file': path },
    routes: { files: whoAmI },
    logger,
  })
  const [first] = added
  return { path, add, address, lines, added, token: first?.token ?? '', id: first?.stored.id ?? '' }
}

/** A stream that a token has opened, and its end. */
async function openStream(address: URL, token: string) {
  const request = get(new URL('/files/stream', address), { headers: bearer(token) })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  await once(response, 'data')
  const ended = once(response.resume(), 'end')
  return { ended }
}

test('a token is its user, with its scopes', async () => {
  const { address, added } = await start({}, { user: 'Bob, "the builder"', scopes: ['sandbox:use', 'sandbox:admin'] })
  const [alice, bob] = added
  expect(await askWho(address, bearer(alice?.token ?? ''))).toMatchObject({
    body: { user: 'alice', scopes: ['sandbox:use'] },
  })
  expect(await askWho(address, bearer(bob?.token ?? ''))).toMatchObject({
    body: { user: 'Bob, "the builder"', scopes: ['sandbox:use', 'sandbox:admin'] },
  })
})

test('without one the challenge says what is wanted, and names no error', async () => {
  const { address } = await start({})
  expect(await askWho(address)).toMatchObject({ status: 401, challenge: 'Bearer realm="sandbox-mcp"' })
})

describe('the same is answered to a token that is', () => {
  test('unknown, revoked, expired, or damaged', async () => {
    const { address, path, token, id, add } = await start({})
    const { token: old } = await add({ expires: new Date(Date.now() - 1000) })
    await revokeToken(path, id)
    await expect.poll(async () => (await askWho(address, bearer(token))).status, { timeout: 10_000 }).toBe(401)
    const unknown = `${token.slice(0, -4)}AAAA`
    for (const each of [unknown, token, old, 'smcp_', 'x', `${token}x`, token.toLowerCase()]) {
      expect(await askWho(address, bearer(each))).toEqual(REFUSED)
    }
  })
})

describe('a token counts nowhere but in the Authorization header:', () => {
  test.each<[string, (token: string) => [path: string, headers: Record<string, string>]]>([
    ['not in the query', (token) => [`/files/me?access_token=${token}&token=${token}`, {}]],
    ['not in a cookie', (token) => ['/files/me', { Cookie: `token=${token}; access_token=${token}` }]],
    ['not in another header', (token) => ['/files/me', { 'X-Authorization': `Bearer ${token}`, 'X-Api-Key': token }]],
    ['not as a proxy’s', (token) => ['/files/me', { 'Proxy-Authorization': `Bearer ${token}` }]],
    ['not in the path', (token) => [`/files/me/${token}`, {}]],
  ])('%s', async (_name, place) => {
    const { address, token } = await start({})
    const [path, headers] = place(token)
    expect(await askWho(address, headers, path)).toMatchObject({ status: 401, challenge: 'Bearer realm="sandbox-mcp"' })
  })

  test.each<[string, (token: string) => string]>([
    ['not with another scheme', (token) => `Basic ${Buffer.from(`alice:${token}`).toString('base64')}`],
    ['not without a scheme', (token) => token],
    ['not twice', (token) => `Bearer ${token}, Bearer ${token}`],
    ['not empty', () => 'Bearer '],
    ['not with more behind it', (token) => `Bearer ${token} x`],
    ['not beyond what a token can be', (token) => `Bearer ${token}${'x'.repeat(9000)}`],
  ])('%s', async (_name, header) => {
    const { address, token } = await start({})
    expect((await askWho(address, { Authorization: header(token) })).status).toBe(401)
  })

  test.each(['authorization', 'AUTHORIZATION'])('but in any spelling of it: %s', async (name) => {
    const { address, token } = await start({})
    expect((await askWho(address, { [name]: `bearer ${token}` })).status).toBe(200)
  })
})

describe('without a restart', () => {
  test('a token that is added is known', async () => {
    const { address, add, lines } = await start()
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'warn', message: expect.stringContaining('token add') }),
    )
    const { token } = await add()
    await expect.poll(async () => (await askWho(address, bearer(token))).status, { timeout: 10_000 }).toBe(200)
  })

  test('a token that is revoked ends its streams, and nobody else’s', async () => {
    const { address, path, added, id } = await start({}, { user: 'bob' })
    const [alice, bob] = added
    const hers = await openStream(address, alice?.token ?? '')
    const his = await openStream(address, bob?.token ?? '')
    await revokeToken(path, id)
    await hers.ended
    expect((await askWho(address, bearer(bob?.token ?? ''))).status).toBe(200)
    expect(await Promise.race([his.ended.then(() => 'ended'), Promise.resolve('open')])).toBe('open')
  })

  test('a token that runs out ends what it opened, to the moment, and is refused', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const path = join(temporaryDirectory(), 'tokens.json')
    const inThirtyDays = 30 * 86_400_000
    const wanted: NewToken = { user: 'alice', scopes: ['sandbox:use'], expires: new Date(Date.now() + inThirtyDays) }
    const { token } = await addToken(path, wanted)
    const authenticator = authenticateByTokens(path, silentLogger)
    onTestFinished(() => authenticator.close())
    const request = { headersDistinct: { authorization: [`Bearer ${token}`] } } as unknown as IncomingMessage
    const { ended } = await authenticator.authenticate(request)
    vi.advanceTimersByTime(inThirtyDays - 1)
    expect(ended.aborted).toBe(false)
    expect(await authenticator.authenticate(request)).toMatchObject({ user: 'alice' })
    vi.advanceTimersByTime(1)
    expect(ended.aborted).toBe(true)
    expect(() => authenticator.authenticate(request)).toThrow('The credential is not valid.')
  })

  test('a file that gets broken locks nobody out', async () => {
    const { address, path, token, lines } = await start({})
    writeFileSync(path, '{"tokens":')
    await expect.poll(() => lines.filter(({ level }) => level === 'warn'), { timeout: 10_000 }).toHaveLength(1)
    expect((await askWho(address, bearer(token))).status).toBe(200)
  })
})

describe('many wrong tokens', () => {
  test('are soon answered with 429, while a good one from the same address goes on', async () => {
    const { address, token, lines } = await start({})
    const statuses: number[] = []
    for (let guess = 0; guess < 80; guess++) statuses.push((await askWho(address, bearer(`smcp_${guess}`))).status)
    expect(statuses.slice(0, 60)).toEqual(Array.from({ length: 60 }, () => 401))
    expect(statuses.slice(60)).toEqual(Array.from({ length: 20 }, () => 429))
    expect((await askWho(address, bearer(token))).status).toBe(200)
    const limited = await fetch(new URL('/files/me', address), { headers: bearer('smcp_x') })
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await limited.json()).toMatchObject({ error: { code: 'rate_limited' } })
    expect(lines.filter(({ level }) => level === 'info')).toHaveLength(60)
  })
})

test('a file that everybody may write to is warned of', async () => {
  const path = join(temporaryDirectory(), 'tokens.json')
  await addToken(path, { user: 'alice', scopes: ['sandbox:use'] })
  chmodSync(path, 0o666)
  const { logger, lines } = recordingLogger()
  authenticateByTokens(path, logger).close()
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 'warn', message: expect.stringContaining('Others may write') }),
  )
})

test('no token and no user is in the log or an answer', async () => {
  const { address, token, lines } = await start({ user: 'a-secret-name' })
  const answer = await askWho(address, bearer(`${token}x`))
  expect(JSON.stringify([answer, lines])).not.toMatch(/smcp_|a-secret-name/)
})
