import express from 'express'
import { describe, expect, test } from 'vitest'
import { sendEndlessBody } from '../../helpers/endless-body.ts'
import { startFront } from '../../helpers/http-front.ts'
import { sendRaw } from '../../helpers/raw-http.ts'

const LIMIT = 64 * 1024
const flags = { 'body-limit': String(LIMIT) }

/** Says what the parsed body was. */
const mcp = express.Router().post('/mcp', (incoming, response) => {
  response.json({ type: typeof incoming.body, size: JSON.stringify(incoming.body).length })
})

function post(address: URL, body: RequestInit['body'], headers: Record<string, string> = {}) {
  return fetch(new URL('/mcp', address), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    ...(body !== undefined && { body }),
  })
}

async function refusal(answer: Response) {
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
  const { error, ...rest } = (await answer.json()) as { error: { code: number; data: { code: string } } }
  expect(rest).toEqual({ jsonrpc: '2.0', id: null })
  return { status: answer.status, rpc: error.code, code: error.data.code }
}

describe('the size of a message', () => {
  test('may be the limit, to the byte', async () => {
    const body = `"${'x'.repeat(LIMIT - 2)}"`
    const answer = await post(await startFront({ flags, routes: { mcp } }), body)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ type: 'string', size: LIMIT })
  })

  test('may not be one byte more', async () => {
    const answer = await post(await startFront({ flags, routes: { mcp } }), `"${'x'.repeat(LIMIT - 1)}"`)
    expect(answer.headers.get('connection')).toBe('close')
    expect(await refusal(answer)).toEqual({ status: 413, rpc: -32_600, code: 'too_large' })
  })

  test('is counted where it is not said: endless chunks are cut', async () => {
    const address = await startFront({ flags, routes: { mcp } })
    // What the connection's buffers hold is sent, too.
    const { status, sentBytes } = await sendEndlessBody(new URL('/mcp', address), {}, 64 * 1024 ** 2)
    expect(status).toBe(413)
    expect(sentBytes).toBeLessThan(64 * 1024 ** 2)
  })

  test('is refused by its length alone, before any of it has come', async () => {
    const head = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${LIMIT + 1}\r\n\r\n`
    const answer = await sendRaw(await startFront({ flags, routes: { mcp } }), head)
    expect(answer).toMatchObject({ status: 413, headers: { connection: 'close' } })
  })

  test('is not what a compressed body says, so there are none', async () => {
    const answer = await post(await startFront({ flags, routes: { mcp } }), '{}', { 'Content-Encoding': 'gzip' })
    expect(await refusal(answer)).toEqual({ status: 415, rpc: -32_600, code: 'unsupported_media_type' })
  })
})

describe('the type of a message', () => {
  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    'text/plain; application/json',
    '',
  ])('"%s" is refused unread', async (type) => {
    const answer = await post(await startFront({ routes: { mcp } }), '{}', { 'Content-Type': type })
    expect(await refusal(answer)).toMatchObject({ status: 415, code: 'unsupported_media_type' })
  })

  test.each(['application/json', 'Application/JSON; charset=UTF-8', 'application/json;charset="utf-8"'])(
    '"%s" is taken',
    async (type) => {
      const answer = await post(await startFront({ routes: { mcp } }), '{}', { 'Content-Type': type })
      expect(answer.status).toBe(200)
    },
  )
})

describe('a message that is no JSON gets the parse error of JSON-RPC', () => {
  test.each<[string, string | Buffer]>([
    ['half of it', '{"jsonrpc":'],
    ['nothing', ''],
    ['NaN', '{"a":NaN}'],
    ['a byte order mark', '\ufeff{}'],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['two documents', '{}{}'],
    ['a depth of 100,000', '['.repeat(100_000)],
    ['a depth of 100,000, closed again', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['a depth of 100,000 in objects', '{"a":'.repeat(100_000)],
  ])('%s', async (_name, body) => {
    const answer = await post(await startFront({ routes: { mcp } }), body)
    expect(await refusal(answer)).toEqual({ status: 400, rpc: -32_700, code: 'malformed_body' })
  })

  test('and never a word of the body or the parser', async () => {
    const answer = await post(await startFront({ routes: { mcp } }), '{"password": hunter2}')
    expect(await answer.text()).not.toMatch(/hunter2|Unexpected|position|at /)
  })
})

test.each([
  ['a number beyond all numbers', '{"a":1e400}'],
  ['a key twice', '{"a":1,"a":2}'],
  ['a key that JavaScript knows', '{"__proto__":{"polluted":true},"constructor":{}}'],
])('%s is JSON, and harmless', async (_name, body) => {
  const answer = await post(await startFront({ routes: { mcp } }), body)
  expect(answer.status).toBe(200)
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
})

test('a body that ends before its length is a malformed one, and the server goes on', async () => {
  const address = await startFront({ flags: { 'body-timeout': '100ms' }, routes: { mcp } })
  const head = 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{}'
  expect(await sendRaw(address, head)).toMatchObject({ status: 408, headers: { connection: 'close' } })
  expect((await post(address, '{}')).status).toBe(200)
})
