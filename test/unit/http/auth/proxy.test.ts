import { describe, expect, test } from 'vitest'
import { expectCode } from '../../../helpers/expect-code.ts'
import { startFront } from '../../../helpers/http-front.ts'
import { sendRaw } from '../../../helpers/raw-http.ts'
import { askWho, whoAmI } from '../../../helpers/who-am-i.ts'

const SECRET = 'a secret that only the proxy has'

const start = (flags: Readonly<Record<string, string>>) =>
  startFront({ flags: { auth: 'proxy', ...flags }, routes: { files: whoAmI } })

describe('the user header', () => {
  test('is believed from the address of the proxy', async () => {
    const address = await start({ 'trusted-proxies': '10.0.0.0/8,127.0.0.1' })
    expect(await askWho(address, { 'X-Forwarded-User': 'alice' })).toMatchObject({
      status: 200,
      body: { user: 'alice', scopes: ['sandbox:use'] },
    })
  })

  test('may have another name', async () => {
    const address = await start({ 'trusted-proxies': '127.0.0.0/8', 'proxy-user-header': 'Remote-User' })
    expect(await askWho(address, { 'Remote-User': 'alice', 'X-Forwarded-User': 'mallory' })).toMatchObject({
      body: { user: 'alice' },
    })
  })

  test('is UTF-8', async () => {
    const address = await start({ 'trusted-proxies': '127.0.0.1' })
    const name = Buffer.from('Zoë 山田').toString('latin1')
    expect(await askWho(address, { 'X-Forwarded-User': name })).toMatchObject({ body: { user: 'Zoë 山田' } })
  })

  test('gives admins their scope', async () => {
    const address = await start({ 'trusted-proxies': '127.0.0.1', 'proxy-admins': 'alice,bob' })
    expect(await askWho(address, { 'X-Forwarded-User': 'bob' })).toMatchObject({
      body: { scopes: ['sandbox:use', 'sandbox:admin'] },
    })
  })

  test('is not believed from another address', async () => {
    const address = await start({ 'trusted-proxies': '10.0.0.0/8' })
    expect(await askWho(address, { 'X-Forwarded-User': 'alice' })).toMatchObject({
      status: 401,
      challenge: 'Bearer realm="sandbox-mcp", error="invalid_token"',
    })
  })

  test('is not believed of another address that X-Forwarded-For claims', async () => {
    const address = await start({ 'trusted-proxies': '10.0.0.7' })
    const headers = { 'X-Forwarded-User': 'alice', 'X-Forwarded-For': '10.0.0.7' }
    expect(await askWho(address, headers)).toMatchObject({ status: 401 })
  })

  test.each(['', '  ', 'a\tb', '\u0080', 'é', 'x'.repeat(257)])(
    'is refused when it holds no name: %j',
    async (name) => {
      const address = await start({ 'trusted-proxies': '127.0.0.1' })
      expect(await askWho(address, { 'X-Forwarded-User': name })).toMatchObject({ status: 401 })
    },
  )

  test('is refused when it comes twice, as the client may have sent one of them', async () => {
    const address = await start({ 'trusted-proxies': '127.0.0.1' })
    const lines = [
      'GET /files/me HTTP/1.1',
      'Host: localhost',
      'X-Forwarded-User: mallory',
      'x-forwarded-user: alice',
      'Connection: close',
    ]
    expect(await sendRaw(address, `${lines.join('\r\n')}\r\n\r\n`)).toMatchObject({ status: 401 })
  })

  test('is needed: a bearer token says nothing here', async () => {
    const address = await start({ 'trusted-proxies': '127.0.0.1' })
    expect(await askWho(address, { Authorization: 'Bearer alice' })).toMatchObject({ status: 401 })
  })
})

describe('the shared secret', () => {
  const headers = (secret: string) => ({ 'X-Forwarded-User': 'alice', 'X-Sandbox-Proxy-Secret': secret })

  test('stands for the address where none is listed', async () => {
    const address = await start({ 'proxy-secret': SECRET })
    expect(await askWho(address, headers(SECRET))).toMatchObject({ status: 200, body: { user: 'alice' } })
    for (const wrong of ['', `${SECRET}x`, SECRET.toUpperCase()]) {
      expect(await askWho(address, headers(wrong))).toMatchObject({ status: 401 })
    }
    expect(await askWho(address, { 'X-Forwarded-User': 'alice' })).toMatchObject({ status: 401 })
  })

  test('is wanted beside the address where both are configured', async () => {
    const both = await start({ 'proxy-secret': SECRET, 'trusted-proxies': '127.0.0.1' })
    expect(await askWho(both, { 'X-Forwarded-User': 'alice' })).toMatchObject({ status: 401 })
    expect(await askWho(both, headers(SECRET))).toMatchObject({ status: 200 })
    const elsewhere = await start({ 'proxy-secret': SECRET, 'trusted-proxies': '10.0.0.7' })
    expect(await askWho(elsewhere, headers(SECRET))).toMatchObject({ status: 401 })
  })
})

test('without a way to know the proxy the server does not start', async () => {
  await expectCode(start({}), 'config_invalid')
})

test.each(['10.0.0.0/33', '::1/129', 'proxy.example.com', '10.0.0.0/8/8', '10.0.0'])(
  '%s is no address of a proxy',
  async (range) => {
    await expectCode(start({ 'trusted-proxies': range }), 'config_invalid')
  },
)
