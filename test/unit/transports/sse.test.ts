import type { ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Scope } from '../../../src/http/principal.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { bindV1 } from '../../../src/mcp/bind-v1.ts'
import type { Caller } from '../../../src/registry/caller.ts'
import { Sessions } from '../../../src/transports/sessions.ts'
import { HttpSse } from '../../../src/transports/sse.ts'
import { UnknownSessions } from '../../../src/transports/unknown-session.ts'
import { FakeProvider } from '../../helpers/fake-provider.ts'
import { startMcpFront, type McpFront } from '../../helpers/mcp-front.ts'
import { call, INITIALIZE, WireClient, WireStream } from '../../helpers/mcp-wire.ts'
import { testService } from '../../helpers/test-service.ts'

const EXEC = call('shell_exec', { command: 'true' }, 7)
const UNKNOWN = { status: 404, messages: [{ error: { code: -32_001, message: 'Session not found' }, id: null }] }

/** An open stream, and where its client posts. */
async function open({ address }: McpFront, token?: string) {
  const client = new WireClient(address, token)
  const stream = new WireStream(await client.send('GET', { Accept: 'text/event-stream' }, undefined, '/sse'))
  await vi.waitFor(() => expect(stream.events[0]?.event).toBe('endpoint'))
  const endpoint = stream.events[0]?.data ?? ''
  const post = (body: unknown) => client.post(body, {}, endpoint)
  /** The messages that came over the stream. */
  const messages = () => stream.events.slice(1).map(({ data }) => JSON.parse(data) as { id: unknown; error?: unknown })
  return { client, stream, endpoint, post, messages }
}

describe('HTTP+SSE', () => {
  test('serves one client over its stream and posts, and ends with the stream', async () => {
    const front = await startMcpFront()
    const { stream, endpoint, post, messages } = await open(front, 'alice')
    expect(endpoint).toMatch(/^\/messages\?sessionId=[0-9a-f]{32}$/)
    expect(await post(INITIALIZE)).toMatchObject({ status: 202 })
    expect(await post(EXEC)).toMatchObject({ status: 202 })
    await vi.waitFor(() => expect(messages()).toHaveLength(2))
    expect(messages()).toMatchObject([{ id: 'init' }, { id: 7, result: { structuredContent: { exit_code: 0 } } }])
    expect(front.provider.acquired).toEqual(['alice'])
    await stream.cancel()
    await vi.waitFor(() => expect(front.routes.sessions.size).toBe(0))
    expect(await post(EXEC)).toMatchObject(UNKNOWN)
  })

  // TS08
  test('answers posts of others, and to the sessions of another leg, like those to unknown sessions', async () => {
    const front = await startMcpFront()
    const { endpoint, post } = await open(front, 'alice')
    for (const token of ['bob', undefined]) {
      expect(await new WireClient(front.address, token).post(EXEC, {}, endpoint)).toMatchObject(UNKNOWN)
    }
    const alice = new WireClient(front.address, 'alice')
    const id = await alice.initialize()
    expect(await alice.post(EXEC, {}, `/messages?sessionId=${id}`)).toMatchObject(UNKNOWN)
    alice.session = endpoint.split('=')[1]
    expect(await alice.post(EXEC)).toMatchObject(UNKNOWN)
    expect(await post(INITIALIZE)).toMatchObject({ status: 202 })
  })

  test('ends with its credential', async () => {
    const front = await startMcpFront()
    const { stream } = await open(front, 'alice')
    front.authenticator.revoke('alice')
    await stream.ended
    expect(front.routes.sessions.size).toBe(0)
  })

  test('cancels what runs when the client is gone', async () => {
    const provider = new FakeProvider()
    const started = deferred<AbortSignal | undefined>()
    provider.before = ({ signal }) => {
      started.resolve(signal)
      return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('gone'))))
    }
    const front = await startMcpFront({ provider })
    const { stream, post } = await open(front, 'alice')
    await post(INITIALIZE)
    await post(EXEC)
    const signal = await started.promise
    await stream.cancel()
    await vi.waitFor(() => expect(signal?.aborted).toBe(true))
  })

  test('gives an anonymous caller a user that ends with the stream', async () => {
    const front = await startMcpFront()
    const { stream, post } = await open(front)
    await post(INITIALIZE)
    await post(EXEC)
    await vi.waitFor(() => expect(front.provider.acquired).toEqual(['anonymous 0']))
    await stream.cancel()
    await vi.waitFor(() => expect([...front.anonymous.values()]).toEqual([{ ended: true }]))
  })

  // TS19, TS20
  test.each([
    ['no session', '/messages', EXEC],
    ['a session that is none', '/messages?sessionId=x', EXEC],
  ])('refuses a post that names %s', async (_name, path, body) => {
    const { address } = await startMcpFront()
    const { status, messages } = await new WireClient(address, 'alice').post(body, {}, path)
    expect([400, 404]).toContain(status)
    expect(messages).toMatchObject([{ jsonrpc: '2.0', error: { code: expect.any(Number) } }])
  })

  test('refuses a batch, what is no message, and an id that is in use', async () => {
    const provider = new FakeProvider()
    const gate = deferred<void>()
    provider.before = () => gate.promise
    const front = await startMcpFront({ provider })
    const { post, messages } = await open(front, 'alice')
    await post(INITIALIZE)
    const refused = { status: 400, messages: [{ error: { code: -32_600 } }] }
    expect(await post([EXEC])).toMatchObject(refused)
    expect(await post({ hello: 1 })).toMatchObject(refused)
    expect(await post(EXEC)).toMatchObject({ status: 202 })
    expect(await post(EXEC)).toMatchObject(refused)
    gate.resolve()
    await vi.waitFor(() => expect(messages()).toHaveLength(2))
  })

  test.each([
    ['POST', '/sse', 'GET'],
    ['HEAD', '/sse', 'GET'],
    ['GET', '/messages', 'POST'],
    ['DELETE', '/messages', 'POST'],
  ])('refuses %s %s, and opens nothing', async (method, path, allowed) => {
    const { address, routes } = await startMcpFront()
    const body = method === 'POST' ? INITIALIZE : undefined
    const response = await new WireClient(address).send(method, { 'Content-Type': 'application/json' }, body, path)
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe(allowed)
    expect(routes.sessions.size).toBe(0)
  })
})

/** A leg of its own, and a response that nobody reads, with what was written to it. */
async function openAlone(options: { pingMs?: number; maxUnreadBytes?: number }) {
  const { service } = testService()
  const limits = { idleMs: 60_000, max: 10, maxPerUser: 10 }
  const anonymous = () => ({ user: 'x', end: () => Promise.resolve() })
  const sessions = new Sessions({ limits, anonymous, logger: silentLogger })
  const unknown = new UnknownSessions()
  onTestFinished(() => unknown.close())
  const server = deferred<Server>()
  const bind = async (caller: Caller) => {
    const made = await bindV1(service, caller)
    server.resolve(made)
    return made
  }
  const leg = new HttpSse({ sessions, bind, logger: silentLogger, unknown, ...options })
  const response = Object.assign(new PassThrough(), { writeHead: () => response })
  onTestFinished(() => void response.destroy())
  const principal = { user: 'alice', scopes: new Set<Scope>(), ended: new AbortController().signal }
  await leg.open(response as unknown as ServerResponse, principal)
  return { sessions, response, server: await server.promise }
}

describe('the stream of HTTP+SSE', () => {
  test('says something often enough for a proxy not to take it for dead', async () => {
    const { response } = await openAlone({ pingMs: 10 })
    let text = ''
    response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
    await vi.waitFor(() => expect(text.split(': ping\n\n').length).toBeGreaterThan(3))
  })

  test('is cut off when its client reads nothing, so that what waits for it takes no more memory', async () => {
    const { response, server, sessions } = await openAlone({ maxUnreadBytes: 100_000 })
    response.on('error', () => {})
    const note = { method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(10_000) } } as const
    for (let at = 0; at < 8; at++) await server.transport?.send({ jsonrpc: '2.0', ...note })
    expect(response.destroyed).toBe(false)
    for (let at = 0; at < 8; at++) await server.transport?.send({ jsonrpc: '2.0', ...note })
    expect(response.destroyed).toBe(true)
    await vi.waitFor(() => expect(sessions.size).toBe(0))
  })
})
