import { describe, expect, test } from 'vitest'
import { startFront } from '../../helpers/http-front.ts'
import { sendRaw } from '../../helpers/raw-http.ts'

/** Above the authentication, so that it shows what has passed the check of Host and Origin. */
const health = (_request: unknown, response: { end(text: string): void }) => response.end('reached')

function get(address: URL, headers: Readonly<Record<string, string>>) {
  const lines = Object.entries({ Connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}`)
  return sendRaw(address, `GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
}

describe('the Host header', () => {
  test.each(['localhost', 'LOCALHOST:1', '127.0.0.1', '127.0.0.1:9999', '[::1]:8080'])('%s passes', async (host) => {
    expect(await get(await startFront({ routes: { health } }), { Host: host })).toMatchObject({ status: 200 })
  })

  test.each([
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '0.0.0.0',
    'localhost.',
  ])('%s is refused with 403', async (host) => {
    const answer = await get(await startFront({ routes: { health } }), { Host: host })
    expect(answer.status).toBe(403)
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'forbidden' } })
  })

  test.each(['', 'a b', 'localhost:port', 'user@localhost', 'localhost/path', '[::1'])(
    '"%s" is refused with 400',
    async (host) => {
      expect(await get(await startFront({ routes: { health } }), { Host: host })).toMatchObject({ status: 400 })
    },
  )

  test.each(['sandbox.example.com', 'SANDBOX.example.com:443', 'public.example.com'])(
    '%s passes where it is configured',
    async (host) => {
      const flags = { 'allowed-hosts': 'Sandbox.example.com', 'public-url': 'https://public.example.com/mcp' }
      expect(await get(await startFront({ flags, routes: { health } }), { Host: host })).toMatchObject({ status: 200 })
    },
  )

  test('two of them are refused with 400, also when both are ours', async () => {
    const answer = await sendRaw(
      await startFront({ routes: { health } }),
      'GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    )
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'invalid_argument' } })
  })

  test.each(['HTTP/1.1', 'HTTP/1.0'])('none is refused with 400 in %s', async (version) => {
    const answer = await sendRaw(
      await startFront({ routes: { health } }),
      `GET / ${version}\r\nConnection: close\r\n\r\n`,
    )
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'invalid_argument' } })
  })

  test.each(['http://localhost/', 'http://evil.example/', '//evil.example/', '*'])(
    'the target %s is refused with 400',
    async (target) => {
      const answer = await sendRaw(
        await startFront({ routes: { health } }),
        `OPTIONS ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      )
      expect(answer.status).toBe(400)
    },
  )

  test('is looked at before the body: nothing of it has to arrive', async () => {
    const answer = await sendRaw(
      await startFront({ routes: { health } }),
      'POST /mcp HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n',
    )
    expect(answer).toMatchObject({ status: 403, headers: { connection: 'close' } })
    expect(JSON.parse(answer.body)).toMatchObject({ jsonrpc: '2.0', id: null })
  })
})

describe('the Origin header', () => {
  test('may be absent, as programs send none', async () => {
    const answer = await get(await startFront({ routes: { health } }), { Host: 'localhost' })
    expect(answer.status).toBe(200)
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  test.each([
    'https://evil.example',
    'null',
    'http://localhost.evil.example:8080',
    'http://127.0.0.1:8081',
    'http://localhost:8080',
    'http://127.0.0.1:8080.evil.example',
    'file://',
    '',
  ])('%s is refused with 403 and gets no CORS header', async (origin) => {
    const answer = await get(await startFront({ routes: { health } }), { Host: '127.0.0.1:8080', Origin: origin })
    expect(answer.status).toBe(403)
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  test.each(['http://127.0.0.1:8080', 'https://127.0.0.1:8080'])(
    '%s is the server’s own and passes',
    async (origin) => {
      const answer = await get(await startFront({ routes: { health } }), { Host: '127.0.0.1:8080', Origin: origin })
      expect(answer.status).toBe(200)
    },
  )

  test('of the public URL passes, as a proxy may change the Host', async () => {
    const address = await startFront({ flags: { 'public-url': 'https://sandbox.example.com' }, routes: { health } })
    const origin = 'https://sandbox.example.com'
    expect(await get(address, { Host: '127.0.0.1:8080', Origin: origin })).toMatchObject({ status: 200 })
  })

  test('that is listed passes and may read the headers that MCP clients need', async () => {
    const address = await startFront({ flags: { 'allowed-origins': 'https://app.example.com' }, routes: { health } })
    const answer = await get(address, { Host: 'localhost', Origin: 'https://app.example.com' })
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({ 'access-control-allow-origin': 'https://app.example.com', vary: 'Origin' })
    expect(answer.headers['access-control-expose-headers']).toContain('Mcp-Session-Id, WWW-Authenticate')
  })
})

describe('a preflight', () => {
  const preflight = { 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization' }
  const options = (address: URL, origin: string) =>
    fetch(new URL('/mcp', address), { method: 'OPTIONS', headers: { ...preflight, Origin: origin } })

  test('of a listed origin is answered without a credential', async () => {
    const answer = await options(
      await startFront({ flags: { 'allowed-origins': 'https://app.example.com' } }),
      'https://app.example.com',
    )
    expect(answer.status).toBe(204)
    expect(answer.headers.get('access-control-allow-headers')).toBe('authorization')
    expect(answer.headers.get('access-control-allow-methods')).toContain('POST')
  })

  test('of a stranger is refused', async () => {
    const answer = await options(
      await startFront({ flags: { 'allowed-origins': 'https://app.example.com' } }),
      'https://evil.example',
    )
    expect(answer.status).toBe(403)
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
  })
})
