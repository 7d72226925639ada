import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addToken, revokeToken } from '../../src/http/auth/token-file.ts'
import { sendEndlessBody } from '../helpers/endless-body.ts'
import { useInstallation } from '../helpers/installation.ts'
import { type RawAnswer, sendRaw } from '../helpers/raw-http.ts'
import { startHttpServer, type TestHttpServer } from '../helpers/start-http-server.ts'

/** The rows of the transport that need the program itself, its authentication and MCP behind it, on the wire. */
const installation = useInstallation()
let folder: string
let tokensFile: string
let token: string
let server: TestHttpServer

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'http-security-'))
  tokensFile = join(folder, 'tokens.json')
  token = (await addToken(tokensFile, { user: 'alice', scopes: ['sandbox:use'] })).token
  const args = ['--auth', 'tokens', '--tokens-file', tokensFile, '--keep-alive-timeout', '200ms']
  server = await startHttpServer({ installation: installation.name, args })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
})

interface Message {
  readonly target?: string
  /** Header lines in place of the usual ones; an empty text leaves the line out. */
  readonly host?: string
  readonly authorization?: string
  readonly more?: readonly string[]
  readonly body?: string
}

/** POSTs a message in the very bytes. */
function post({
  target = '/mcp',
  host = 'Host: localhost',
  authorization,
  more = [],
  body = INITIALIZE,
}: Message): Promise<RawAnswer> {
  const lines = [
    `POST ${target} HTTP/1.1`,
    host,
    authorization ?? `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...more,
  ].filter((line) => line !== '')
  return sendRaw(server.address, `${lines.join('\r\n')}\r\n\r\n${body}`)
}

// TS03
test('a program with a token, the right Host and no Origin opens a session', async () => {
  const { status, headers } = await post({})
  expect(status).toBe(200)
  expect(headers['mcp-session-id']).toMatch(/^[0-9a-f-]{32,}$/)
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
})

// TS01, TS02, TS07, TS09
test.each<[string, Message, number]>([
  ['another Host', { host: 'Host: evil.example' }, 403],
  ['another Host with a port', { host: 'Host: evil.example:8080' }, 403],
  ['no Host', { host: '' }, 400],
  ['two Hosts', { more: ['Host: evil.example'] }, 400],
  ['the Origin of a stranger', { more: ['Origin: https://evil.example'] }, 403],
  ['the Origin of a sandboxed page', { more: ['Origin: null'] }, 403],
  ['the Origin of another port', { more: ['Origin: http://localhost:1'] }, 403],
  ['no token', { authorization: '' }, 401],
  ['a wrong token', { authorization: 'Authorization: Bearer smcp_wrong' }, 401],
  ['an empty token', { authorization: 'Authorization: Bearer' }, 401],
  ['two tokens', { more: ['Authorization: Bearer smcp_wrong'] }, 401],
])('a message with %s is refused in JSON, and opens no session', async (_name, message, expected) => {
  const { status, headers, body } = await post(message)
  expect(status).toBe(expected)
  expect(headers['content-type']).toBe('application/json; charset=utf-8')
  expect(headers['mcp-session-id']).toBeUndefined()
  expect(JSON.parse(body)).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32_000 } })
  expect(headers['www-authenticate'] === undefined).toBe(expected !== 401)
})

// TS07, TS09
test('a token in the address is none, and no error repeats it', async () => {
  const { status, body } = await post({ target: `/mcp?access_token=${token}`, authorization: '' })
  expect(status).toBe(401)
  expect(body).not.toContain('smcp_')
})

// TS16
test.each([
  ['half of one', '{"jsonrpc":"2.0"', -32_700],
  ['NaN', '{"jsonrpc":"2.0","id":NaN}', -32_700],
  ['100,000 brackets', '['.repeat(100_000), -32_700],
  ['100,000 objects', '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000), -32_700],
  ['200,000 values', `[${'0,'.repeat(200_000)}0]`, -32_600],
])('a message that is %s gets an error of JSON-RPC, and the next one is answered', async (_name, body, code) => {
  const answer = await post({ body })
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
  expect(JSON.parse(answer.body)).toMatchObject({ jsonrpc: '2.0', id: null, error: { code } })
  expect(answer.body).not.toMatch(/<|\bat .*\.js/)
  expect((await post({})).status).toBe(200)
})

const flood = () =>
  sendEndlessBody(new URL('/mcp', server.address), { Authorization: `Bearer ${token}` }, 256 * 1024 ** 2)
const CUT = { status: 413, sentBytes: expect.any(Number) }

// TS15
test('bodies without an end are cut at the limit, and leave no memory behind', async () => {
  expect(await flood()).toEqual(CUT)
  const before = server.residentBytes
  for (let round = 0; round < 10; round++) expect(await Promise.all([flood(), flood()])).toEqual([CUT, CUT])
  // Twenty bodies of 8 MiB and more were sent; what one or two of them took may not have been collected yet.
  expect(server.residentBytes - before).toBeLessThan(64 * 1024 ** 2)
  expect((await post({})).status).toBe(200)
})

test('a token that is revoked ends the stream that it holds open, and opens no other', async () => {
  const { token: lost, stored } = await addToken(tokensFile, { user: 'bob', scopes: ['sandbox:use'] })
  const authorization = `Authorization: Bearer ${lost}`
  await expect.poll(async () => (await post({ authorization })).status, { timeout: 10_000 }).toBe(200)
  const { headers } = await post({ authorization })
  const listening = request(new URL('/mcp', server.address), {
    headers: {
      Authorization: `Bearer ${lost}`,
      Accept: 'text/event-stream',
      'Mcp-Session-Id': headers['mcp-session-id'],
    },
  })
  listening.on('error', () => {})
  listening.end()
  const [stream] = (await once(listening, 'response')) as [NodeJS.ReadableStream & { statusCode: number }]
  expect(stream.statusCode).toBe(200)
  stream.on('error', () => {}).resume()
  const over = new Promise((close) => stream.once('close', close))
  await revokeToken(tokensFile, stored.id)
  await over
  expect((await post({ authorization })).status).toBe(401)
})
