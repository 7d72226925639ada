import { writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { loadConfig } from '../../../../src/config/load.ts'
import { createAuthenticator } from '../../../../src/http/auth/create.ts'
import { silentLogger } from '../../../../src/lib/logger.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { startFront } from '../../../helpers/http-front.ts'
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts'
import { AUDIENCE, newIssuer, serveKeys, type TokenIssuer } from '../../../helpers/token-issuer.ts'
import { askWho, bearer, whoAmI } from '../../../helpers/who-am-i.ts'

function keysFile({ jwks }: Pick<TokenIssuer, 'jwks'>): string {
  const path = join(temporaryDirectory(), 'jwks.json')
  writeFileSync(path, JSON.stringify(jwks))
  return path
}

async function start(flags: Readonly<Record<string, string>> = {}) {
  const issuer = await newIssuer()
  const file = keysFile(issuer)
  const address = await startFront({
    flags: { auth: 'jwt', 'jwt-issuer': issuer.issuer, 'jwt-audience': AUDIENCE, 'jwt-jwks': file, ...flags },
    routes: { files: whoAmI },
  })
  const ask = async (token: string) => askWho(address, bearer(token))
  return { issuer, file, address, ask }
}

const asRequest = (token: string) =>
  ({ headersDistinct: { authorization: [`Bearer ${token}`] } }) as unknown as IncomingMessage

/** The authentication alone, whose time the test tells. */
async function atFakeTime(issuer: TokenIssuer, jwks: string) {
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const flags = { auth: 'jwt', 'jwt-issuer': issuer.issuer, 'jwt-audience': AUDIENCE, 'jwt-jwks': jwks }
  const authenticator = await createAuthenticator(loadConfig({ flags, env: {} }).config, silentLogger)
  onTestFinished(() => authenticator.close())
  return async (token: string) => authenticator.authenticate(asRequest(token))
}

describe('a token of the issuer', () => {
  test('is the user that its subject names', async () => {
    const { issuer, ask } = await start()
    expect(await ask(await issuer.sign())).toMatchObject({
      status: 200,
      body: { user: 'alice', scopes: ['sandbox:use'] },
    })
  })

  test('may name the user in another claim, where that is configured', async () => {
    const { issuer, ask } = await start({ 'jwt-user-claim': 'employee' })
    expect(await ask(await issuer.sign({ claims: { employee: 'e-17' } }))).toMatchObject({ body: { user: 'e-17' } })
  })

  test.each([
    ['scope', 'openid sandbox:use sandbox:admin', ['sandbox:use', 'sandbox:admin']],
    ['scp', ['sandbox:admin', 'sandbox:use'], ['sandbox:use', 'sandbox:admin']],
    ['scp', 'sandbox:use', ['sandbox:use']],
    ['scope', 'sandbox:use sandbox:root', ['sandbox:use']],
  ])('has the scopes of the claim %s: %j', async (claim, value, scopes) => {
    const { issuer, ask } = await start()
    expect(await ask(await issuer.sign({ claims: { scope: '', [claim]: value } }))).toMatchObject({ body: { scopes } })
  })

  test.each(['', 'openid profile', 'sandbox:used', 'SANDBOX:USE'])(
    'with the scopes "%s" may not use a sandbox',
    async (scope) => {
      const { issuer, ask } = await start()
      const { status, challenge, body } = await ask(await issuer.sign({ claims: { scope } }))
      expect({ status, code: body.error.code }).toEqual({ status: 403, code: 'forbidden' })
      expect(challenge).toContain('error="insufficient_scope", scope="sandbox:use"')
    },
  )

  test('may be for several audiences, ours among them', async () => {
    const { issuer, ask } = await start()
    expect(await ask(await issuer.sign({ audience: ['https://other.example.com', AUDIENCE] }))).toMatchObject({
      status: 200,
    })
  })

  test('may have run out by less than clocks differ', async () => {
    const { issuer, ask } = await start({ 'jwt-clock-tolerance': '1h' })
    expect(await ask(await issuer.sign({ expiresIn: -60 }))).toMatchObject({ status: 200 })
  })
})

describe('refused, with a pointer to where tokens come from, is a token', () => {
  const NAMED = 'key-1'
  test.each<[string, (issuer: TokenIssuer) => Promise<string> | string]>([
    ['of another audience', (issuer) => issuer.sign({ audience: 'https://other.example.com' })],
    ['of no audience', (issuer) => issuer.sign({ audience: [] })],
    ['of another issuer', (issuer) => issuer.sign({ issuer: 'https://evil.example.com' })],
    ['that has run out', (issuer) => issuer.sign({ expiresIn: -60 })],
    ['that never runs out', (issuer) => issuer.sign({ expiresIn: undefined })],
    ['that is not valid yet', (issuer) => issuer.sign({ claims: { nbf: Math.floor(Date.now() / 1000) + 600 } })],
    ['of another key of the same name', async (issuer) => (await newIssuer(issuer.issuer)).sign()],
    ['of a key that nobody knows', async (issuer) => (await newIssuer(issuer.issuer, 'ES256', 'key-2')).sign()],
    [
      'whose claims were changed',
      async (issuer) => swapClaims(await issuer.sign(), await issuer.sign({ claims: { sub: 'root' } })),
    ],
    ['without a signature', (issuer) => unsecured(issuer)],
    ['signed with the public key as a secret', (issuer) => signedWithPublicKey(issuer, NAMED)],
    ['that is no JWT', () => 'not-a-jwt'],
    ['that is three dots', () => '...'],
    ['without a subject', (issuer) => issuer.sign({ claims: { sub: '' } })],
    ['with a subject that cannot be seen', (issuer) => issuer.sign({ claims: { sub: 'alice\u200b' } })],
    ['with half a character as its subject', (issuer) => issuer.sign({ claims: { sub: '\ud800' } })],
    ['with a subject that is no text', (issuer) => issuer.sign({ claims: { sub: 7 as unknown as string } })],
    ['with a subject beyond 256 characters', (issuer) => issuer.sign({ claims: { sub: 'x'.repeat(257) } })],
  ])('%s', async (_name, make) => {
    const { issuer, ask } = await start()
    const { status, challenge, body } = await ask(await make(issuer))
    expect({ status, body }).toEqual({
      status: 401,
      body: { error: { code: 'unauthenticated', message: 'The credential is not valid.', hint: expect.any(String) } },
    })
    expect(challenge).toMatch(
      /^Bearer realm="sandbox-mcp", resource_metadata="http:\/\/127\.0\.0\.1:\d+\/\.well-known\/oauth-protected-resource\/mcp", error="invalid_token"$/,
    )
  })
})

function swapClaims(token: string, other: string): string {
  const [header, , signature] = token.split('.')
  return [header, other.split('.')[1], signature].join('.')
}

function unsecured({ issuer }: TokenIssuer): string {
  return new UnsecuredJWT({ sub: 'alice', scope: 'sandbox:use' })
    .setIssuer(issuer)
    .setAudience(AUDIENCE)
    .setExpirationTime('1h')
    .encode()
}

/** The classic mix-up of algorithms: what everybody knows used as a shared secret. */
function signedWithPublicKey({ issuer, jwks }: TokenIssuer, kid: string): Promise<string> {
  return new SignJWT({ sub: 'alice', scope: 'sandbox:use' })
    .setProtectedHeader({ alg: 'HS256', kid })
    .setIssuer(issuer)
    .setAudience(AUDIENCE)
    .setExpirationTime('1h')
    .sign(Buffer.from(JSON.stringify(jwks.keys[0])))
}

test('an algorithm that is not on the list is refused, whatever the key set offers', async () => {
  const issuer = await newIssuer('https://issuer.example.com', 'ES384')
  const { ask } = await start({ 'jwt-jwks': keysFile(issuer) })
  expect(await ask(await issuer.sign())).toMatchObject({ status: 401 })
})

describe('with several issuers', () => {
  test('the same subject is two users, and the key of one signs nothing for the other', async () => {
    const [one, two] = [await newIssuer('https://one.example.com'), await newIssuer('https://two.example.com')]
    const { ask } = await start({
      'jwt-issuer': `${one.issuer},${two.issuer}`,
      'jwt-jwks': `${keysFile(one)},${keysFile(two)}`,
    })
    expect(await ask(await one.sign())).toMatchObject({ body: { user: 'https://one.example.com alice' } })
    expect(await ask(await two.sign())).toMatchObject({ body: { user: 'https://two.example.com alice' } })
    expect(await ask(await one.sign({ issuer: two.issuer }))).toMatchObject({ status: 401 })
  })
})

describe('keys by URL', () => {
  test('are fetched when the first token comes, and not for each', async () => {
    const issuer = await newIssuer()
    const { url, requests } = await serveKeys(() => issuer.jwks)
    const { ask } = await start({ 'jwt-jwks': url })
    expect(requests()).toBe(0)
    for (let call = 0; call < 5; call++) expect(await ask(await issuer.sign())).toMatchObject({ status: 200 })
    expect(requests()).toBe(1)
  })

  test('that cannot be had are our trouble, not the token’s', async () => {
    const issuer = await newIssuer()
    const { url } = await serveKeys(() => undefined)
    const { ask } = await start({ 'jwt-jwks': url })
    expect(await ask(await issuer.sign())).toMatchObject({
      status: 503,
      challenge: null,
      body: { error: { code: 'identity_unavailable', message: 'The credential cannot be checked at present.' } },
    })
  })

  test('have to come over https from elsewhere', async () => {
    const error = await expectCode(start({ 'jwt-jwks': 'http://issuer.example.com/jwks' }), 'config_invalid')
    expect(error.message).toContain('have to come over https')
  })
})

describe('a token that was good', () => {
  // jose keeps fetched keys for ten minutes.
  const KEYS_ARE_OLD_MS = 11 * 60_000

  test('is refused when its key is withdrawn, and what it had opened ends', async () => {
    const issuer = await newIssuer()
    let keys: unknown = issuer.jwks
    const { url } = await serveKeys(() => keys)
    const authenticate = await atFakeTime(issuer, url)
    const token = await issuer.sign({ expiresIn: 86_400 })
    const { ended } = await authenticate(token)
    keys = { keys: [] }
    vi.advanceTimersByTime(KEYS_ARE_OLD_MS)
    await expectCode(authenticate(token), 'unauthenticated')
    expect(ended.aborted).toBe(true)
  })

  test('stays good while the keys cannot be had, other than a new one', async () => {
    const issuer = await newIssuer()
    let keys: unknown = issuer.jwks
    const { url } = await serveKeys(() => keys)
    const authenticate = await atFakeTime(issuer, url)
    const token = await issuer.sign({ expiresIn: 86_400 })
    const principal = await authenticate(token)
    keys = undefined
    vi.advanceTimersByTime(KEYS_ARE_OLD_MS)
    expect(await authenticate(token)).toBe(principal)
    await expectCode(authenticate(await issuer.sign({ expiresIn: 86_400 - 1 })), 'identity_unavailable')
  })
})

const DAY_MS = 86_400_000

test('a clock that is set back does not keep a token of a withdrawn key good', async () => {
  const issuer = await newIssuer()
  const keys = keysFile(issuer)
  const authenticate = await atFakeTime(issuer, keys)
  const token = await issuer.sign({ expiresIn: 86_400 })
  await authenticate(token)
  writeFileSync(keys, '{"keys":[]}')
  vi.setSystemTime(Date.now() - DAY_MS)
  await vi.waitFor(
    async () => {
      vi.advanceTimersByTime(61_000)
      await expectCode(authenticate(token), 'unauthenticated')
    },
    { timeout: 4000 },
  )
})

test('a clock that is set forward past a token’s end ends what it opened within a minute', async () => {
  const issuer = await newIssuer()
  const authenticate = await atFakeTime(issuer, keysFile(issuer))
  const { ended } = await authenticate(await issuer.sign({ expiresIn: 86_400 }))
  vi.setSystemTime(Date.now() + 2 * DAY_MS)
  vi.advanceTimersByTime(61_000)
  expect(ended.aborted).toBe(true)
})

test('a token’s end fires when it runs out, and one principal serves all its requests', async () => {
  const issuer = await newIssuer()
  const authenticate = await atFakeTime(issuer, keysFile(issuer))
  const token = await issuer.sign({ expiresIn: 90 })
  const principal = await authenticate(token)
  expect(await authenticate(token)).toBe(principal)
  vi.advanceTimersByTime(61_000)
  expect(await authenticate(token)).toBe(principal)
  expect(principal.ended.aborted).toBe(false)
  // 90 s and the tolerance of 30.
  vi.advanceTimersByTime(60_000)
  expect(principal.ended.aborted).toBe(true)
  await expectCode(authenticate(token), 'unauthenticated')
})

test.each([
  ['an issuer', { 'jwt-issuer': '' }],
  ['an audience', { 'jwt-audience': '' }],
  ['keys', { 'jwt-jwks': '' }],
  ['keys of each issuer', { 'jwt-issuer': 'https://one.example.com,https://two.example.com' }],
])('without %s the server does not start', async (_name, flags) => {
  await expectCode(start(flags), 'config_invalid')
})

test('keys that are none keep the server from starting', async () => {
  const path = join(temporaryDirectory(), 'jwks.json')
  writeFileSync(path, '{"no":"keys"}')
  const { message } = await expectCode(start({ 'jwt-jwks': path }), 'config_invalid')
  expect(message).toBe(`The key set ${path} is no JSON Web Key Set (RFC 7517 section 5).`)
})

describe('the protected-resource metadata', () => {
  const WELL_KNOWN = '/.well-known/oauth-protected-resource'

  test('tells without a credential who gives tokens, for each URL that clients connect to', async () => {
    const { address, issuer } = await start()
    for (const path of ['', '/mcp', '/sse']) {
      expect(await askWho(address, {}, `${WELL_KNOWN}${path}`)).toMatchObject({
        status: 200,
        body: {
          resource: `${address.origin}${path}`,
          authorization_servers: [issuer.issuer],
          scopes_supported: ['sandbox:use', 'sandbox:admin'],
          bearer_methods_supported: ['header'],
        },
      })
    }
  })

  test('names the public URL, its path included', async () => {
    const { address } = await start({ 'public-url': 'https://example.com/sandbox/' })
    for (const path of ['/sandbox/mcp', '/mcp']) {
      expect((await askWho(address, {}, `${WELL_KNOWN}${path}`)).body.resource).toBe('https://example.com/sandbox/mcp')
    }
    expect((await askWho(address)).challenge).toBe(
      'Bearer realm="sandbox-mcp", resource_metadata="https://example.com/.well-known/oauth-protected-resource/sandbox/mcp"',
    )
  })

  test.each([`${WELL_KNOWN}/files`, `${WELL_KNOWN}x`, '/.well-known/openid-configuration'])(
    'is not at %s',
    async (path) => {
      const { address } = await start()
      expect(await askWho(address, {}, path)).toMatchObject({ status: 401 })
    },
  )
})
