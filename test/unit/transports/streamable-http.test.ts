import { describe, expect, test, vi } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { FakeProvider } from '../../helpers/fake-provider.ts'
import { startMcpFront } from '../../helpers/mcp-front.ts'
import { call, INITIALIZE, WireClient, WireStream } from '../../helpers/mcp-wire.ts'

/** A provider whose next calls wait until they may go on. */
function held() {
  const provider = new FakeProvider()
  const started = deferred<void>()
  const gate = deferred<void>()
  let signal: AbortSignal | undefined
  provider.before = async (options) => {
    signal = options.signal
    started.resolve()
    await gate.promise
  }
  return { provider, started: started.promise, open: () => gate.resolve(), signal: () => signal }
}

const EXEC = call('shell_exec', { command: 'true' }, 7)
/** The id of the newest event in a stream's text. */
function lastIdOf(text: string): string {
  const id = [...text.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1]
  if (id === undefined) throw new Error(`no event has an id: ${text}`)
  return id
}

const UNKNOWN = { status: 404, messages: [{ error: { code: -32_001, message: 'Session not found' }, id: null }] }

describe('a session', () => {
  test('is opened by initialize, used by its id, and ended by DELETE', async () => {
    const { address, routes } = await startMcpFront()
    const client = new WireClient(address, 'alice')
    const id = await client.initialize()
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    expect(await client.post({ jsonrpc: '2.0', method: 'notifications/initialized' })).toMatchObject({ status: 202 })
    const answer = await client.post(EXEC)
    expect(answer).toMatchObject({
      status: 200,
      messages: [{ id: 7, result: { structuredContent: { exit_code: 0 } } }],
    })
    expect(await client.delete()).toMatchObject({ status: 200 })
    expect(await client.post(EXEC)).toMatchObject(UNKNOWN)
    expect(routes.sessions.size).toBe(0)
  })

  test('uses the sandbox of the user whom the credential names', async () => {
    const { address, provider } = await startMcpFront()
    for (const user of ['alice', 'bob']) {
      const client = new WireClient(address, user)
      await client.initialize()
      await client.post(EXEC)
    }
    expect(provider.acquired).toEqual(['alice', 'bob'])
  })

  test('starts no sandbox by itself', async () => {
    const { address, provider } = await startMcpFront()
    const client = new WireClient(address, 'alice')
    await client.initialize()
    for (const method of ['tools/list', 'resources/list', 'resources/templates/list', 'ping'])
      expect(await client.post({ jsonrpc: '2.0', id: 1, method })).toMatchObject({ messages: [{ result: {} }] })
    expect(provider.acquired).toEqual([])
  })

  // TS08
  test('of somebody else is an unknown one, whatever is asked of it, and its owner is undisturbed', async () => {
    const { address } = await startMcpFront()
    const alice = new WireClient(address, 'alice')
    await alice.initialize()
    const stream = new WireStream(await alice.send('GET'))
    const answer = await alice.post(EXEC, { 'MCP-Protocol-Version': '2025-11-25' })
    const lastEventId = lastIdOf(answer.text)
    const others = [new WireClient(address, 'bob'), new WireClient(address)]
    for (const other of others) {
      other.session = alice.session
      const answers = [
        await other.post(EXEC),
        await other.get(),
        await other.get({ 'Last-Event-ID': lastEventId }),
        await other.delete(),
      ]
      other.session = '0'.repeat(32)
      const unknown = await other.post(EXEC)
      for (const each of answers) {
        expect(each).toMatchObject(UNKNOWN)
        expect(each.text).toBe(unknown.text)
        expect([...each.headers.keys()]).toEqual([...unknown.headers.keys()])
      }
    }
    expect(await alice.post(EXEC)).toMatchObject({ status: 200 })
    expect(await alice.get({ 'Last-Event-ID': lastEventId })).toMatchObject({ status: 204 })
    await alice.delete()
    await stream.ended
  })

  // TS12
  test('that is idle ends, and everything of it is freed; one with an open stream does not', async () => {
    const { address, routes, anonymous } = await startMcpFront({ limits: { idleMs: 300 } })
    const [idle, listening, nameless] = [
      new WireClient(address, 'a'),
      new WireClient(address, 'b'),
      new WireClient(address),
    ]
    await Promise.all([idle.initialize(), listening.initialize(), nameless.initialize()])
    const stream = new WireStream(await listening.send('GET'))
    await vi.waitFor(() => expect(routes.sessions.size).toBe(1), { timeout: 5000 })
    expect(await idle.post(EXEC)).toMatchObject(UNKNOWN)
    expect([...anonymous.values()]).toEqual([{ ended: true }])
    expect(await listening.post(EXEC)).toMatchObject({ status: 200 })
    await stream.cancel()
    await vi.waitFor(() => expect(routes.sessions.size).toBe(0), { timeout: 5000 })
  })

  test('goes by the newest credential: one that was renewed may end, the last one takes the session along', async () => {
    const { address, authenticator, routes } = await startMcpFront()
    const old = new WireClient(address, 'alice.1')
    const renewed = new WireClient(address, 'alice.2')
    renewed.session = await old.initialize()
    const oldStream = new WireStream(await old.send('GET'))
    expect(await renewed.post(EXEC)).toMatchObject({ status: 200 })
    authenticator.revoke('alice.1')
    await oldStream.ended
    expect(await renewed.post(EXEC)).toMatchObject({ status: 200 })
    const stream = new WireStream(await renewed.send('GET'))
    authenticator.revoke('alice.2')
    await stream.ended
    expect(routes.sessions.size).toBe(0)
    expect(await renewed.post(EXEC)).toMatchObject(UNKNOWN)
  })

  test('whose credential ends has its calls cancelled', async () => {
    const { provider, started, signal, open } = held()
    const { address, authenticator } = await startMcpFront({ provider })
    const client = new WireClient(address, 'alice')
    await client.initialize()
    const answer = client.post(EXEC).catch(() => 'cut')
    await started
    authenticator.revoke('alice')
    expect(await answer).toBe('cut')
    expect(signal()?.aborted).toBe(true)
    open()
  })
})

describe('caps', () => {
  test('on all sessions refuse a further one with a code, and one that ends makes room', async () => {
    const { address } = await startMcpFront({ limits: { max: 2 } })
    const [a, b, c] = [new WireClient(address, 'a'), new WireClient(address, 'b'), new WireClient(address, 'c')]
    await a.initialize()
    await b.initialize()
    expect(await c.post(INITIALIZE)).toMatchObject({
      status: 429,
      messages: [{ error: { message: expect.stringMatching(/^sandbox_limit: This server has 2 sessions open/) } }],
    })
    await a.delete()
    await c.initialize()
  })

  test('on the sessions of a user let the one that was idle longest give way', async () => {
    const { address, routes } = await startMcpFront({ limits: { maxPerUser: 2 } })
    const clients = Array.from({ length: 4 }, () => new WireClient(address, 'alice'))
    const other = new WireClient(address, 'bob')
    await other.initialize()
    for (const client of clients) await client.initialize()
    const statuses = await Promise.all(clients.map(async (client) => (await client.post(EXEC)).status))
    expect(statuses).toEqual([404, 404, 200, 200])
    expect(await other.post(EXEC)).toMatchObject({ status: 200 })
    expect(routes.sessions.size).toBe(3)
  })

  test('on the sessions of a user refuse when all are in use', async () => {
    const { address } = await startMcpFront({ limits: { maxPerUser: 1 } })
    const [first, second] = [new WireClient(address, 'alice'), new WireClient(address, 'alice')]
    await first.initialize()
    const stream = new WireStream(await first.send('GET'))
    expect(await second.post(INITIALIZE)).toMatchObject({
      status: 429,
      messages: [{ error: { message: expect.stringMatching(/^sandbox_limit: You have 1 sessions open/) } }],
    })
    await stream.cancel()
  })
})

// TS10
test('a guessed id is that of an unknown session', async () => {
  const { address } = await startMcpFront()
  const client = new WireClient(address, 'alice')
  const id = await client.initialize()
  const guesses = ['', 'x', '0'.repeat(32), '../..', '%00', id.slice(0, -1), `${id}0`, `${id}, ${id}`, 'x'.repeat(8000)]
  for (const guess of guesses) {
    client.session = guess
    expect(await client.post(EXEC), guess).toMatchObject(UNKNOWN)
  }
})

describe('a request that no session can answer', () => {
  // TS21
  test.each([
    ['before initialize', EXEC, {}, 400, 7],
    ['with a version that is not spoken', EXEC, { 'MCP-Protocol-Version': '1999-01-01' }, 400, 7],
  ])('%s is refused', async (_name, body, headers, status, id) => {
    const { address } = await startMcpFront()
    const answer = await new WireClient(address, 'alice').post(body, headers)
    expect(answer).toMatchObject({ status, messages: [{ jsonrpc: '2.0', id, error: { code: -32_000 } }] })
  })

  test('of an unsupported version within a session, and a second initialize, are refused', async () => {
    const { address } = await startMcpFront()
    const client = new WireClient(address, 'alice')
    await client.initialize()
    expect(await client.post(EXEC, { 'MCP-Protocol-Version': '1999-01-01' })).toMatchObject({
      status: 400,
      messages: [{ error: { code: -32_000 } }],
    })
    expect(await client.post(INITIALIZE)).toMatchObject({ status: 400, messages: [{ error: { code: -32_600 } }] })
    expect(await client.post(EXEC)).toMatchObject({ status: 200 })
  })

  test.each(['PUT', 'PATCH', 'HEAD', 'OPTIONS'])('of the method %s is refused as JSON', async (method) => {
    const { address } = await startMcpFront()
    const response = await new WireClient(address, 'alice').send(method)
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('GET, POST, DELETE')
    expect(response.headers.get('content-type')).toContain('application/json')
  })

  test('that is refused opens no session', async () => {
    const { address, routes } = await startMcpFront()
    const client = new WireClient(address, 'alice')
    expect(await client.post(INITIALIZE, { Accept: 'text/html' })).toMatchObject({ status: 406 })
    expect(routes.sessions.size).toBe(0)
  })
})

// TS19, TS20
describe('ids', () => {
  test('that stand for two open requests are refused, in one body and across bodies; afterwards they may be used again', async () => {
    const { provider, started, open } = held()
    const { address } = await startMcpFront({ provider })
    const client = new WireClient(address, 'alice')
    await client.initialize()
    const first = client.post(EXEC)
    await started
    const refused = { status: 400, messages: [{ error: { code: -32_600 } }] }
    expect(await client.post(EXEC)).toMatchObject(refused)
    expect(await client.post([call('list_files', {}, 8), call('list_files', {}, 8)])).toMatchObject(refused)
    open()
    expect(await first).toMatchObject({ messages: [{ id: 7, result: { structuredContent: { exit_code: 0 } } }] })
    expect(await client.post(EXEC)).toMatchObject({ messages: [{ id: 7, result: {} }] })
  })

  test('of cancels and answers that belong to nothing have no effect', async () => {
    const { address } = await startMcpFront()
    const client = new WireClient(address, 'alice')
    await client.initialize()
    for (const body of [
      { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 99 } },
      { jsonrpc: '2.0', id: 55, result: {} },
      { jsonrpc: '2.0', method: 'notifications/nonsense' },
    ])
      expect(await client.post(body)).toMatchObject({ status: 202 })
    expect(await client.post(EXEC)).toMatchObject({ status: 200 })
  })

  test('cancelled by another session of the same user are that session’s own', async () => {
    const { provider, started, open, signal } = held()
    const { address } = await startMcpFront({ provider })
    const [mine, other] = [new WireClient(address, 'alice'), new WireClient(address, 'alice')]
    await Promise.all([mine.initialize(), other.initialize()])
    const answer = mine.post(EXEC)
    await started
    await other.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } })
    expect(signal()?.aborted).toBe(false)
    open()
    expect(await answer).toMatchObject({ messages: [{ id: 7, result: {} }] })
  })
})

describe('a batch', () => {
  test('of an older version is answered whole', async () => {
    const { address } = await startMcpFront()
    const client = new WireClient(address, 'alice', '2025-03-26')
    await client.initialize()
    const { messages } = await client.post([1, 2, 3].map((id) => call('list_files', {}, id)))
    expect(new Set(messages.map(({ id }) => id))).toEqual(new Set([1, 2, 3]))
    expect(messages).toHaveLength(3)
  })

  test.each([
    ['of 1000', Array.from({ length: 1000 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'ping' }))],
    ['that is empty', []],
    ['in which one is no message', [{ jsonrpc: '2.0', id: 1, method: 'ping' }, { hello: 1 }]],
  ])('%s is refused', async (_name, body) => {
    const { address } = await startMcpFront()
    const client = new WireClient(address, 'alice', '2025-03-26')
    await client.initialize()
    expect(await client.post(body)).toMatchObject({ status: 400, messages: [{ error: {} }] })
    expect(await client.post([{ jsonrpc: '2.0', id: 1, method: 'ping' }])).toMatchObject({ status: 200 })
  })
})

describe('a cancelled request', () => {
  test('ends its command, and its stream as well', async () => {
    const { provider, started, open, signal } = held()
    const { address } = await startMcpFront({ provider })
    const client = new WireClient(address, 'alice', '2025-11-25')
    await client.initialize()
    const answer = client.post(EXEC)
    await started
    await client.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } })
    const { text, messages } = { ...(await answer), messages: [] }
    expect(text).toContain('"error":{"code":-32000,"message":"cancelled: The request was cancelled."}')
    expect(messages).toEqual([])
    await vi.waitFor(() => expect(signal()?.aborted).toBe(true))
    open()
    const lastEventId = lastIdOf(text)
    expect(await client.get({ 'Last-Event-ID': lastEventId })).toMatchObject({ status: 204 })
  })
})

describe('a stream that broke', () => {
  /** A call whose stream is cut before its answer; gives the id of the event that opened the stream. */
  async function cut(client: WireClient, started: Promise<void>): Promise<string> {
    const stream = new WireStream(await client.send('POST', { 'Content-Type': 'application/json' }, EXEC))
    await started
    await vi.waitFor(() => expect(stream.text).toMatch(/id: \S+/))
    await stream.cancel()
    return /id: (\S+)/.exec(stream.text)?.[1] ?? ''
  }

  test('is resumed with the answer that came meanwhile', async () => {
    const { provider, started, open } = held()
    const { address, routes } = await startMcpFront({ provider })
    const client = new WireClient(address, 'alice', '2025-11-25')
    await client.initialize()
    const lastEventId = await cut(client, started)
    open()
    await vi.waitFor(() => expect(provider.held).toBe(0))
    await routes.sessions.drained()
    const answer = await client.get({ 'Last-Event-ID': lastEventId })
    expect(answer).toMatchObject({
      status: 200,
      messages: [{ id: 7, result: { structuredContent: { exit_code: 0 } } }],
    })
    const last = lastIdOf(answer.text)
    expect(await client.get({ 'Last-Event-ID': last })).toMatchObject({ status: 204 })
  })

  test('is resumed before the answer is there, and ends with it', async () => {
    const { provider, started, open } = held()
    const { address } = await startMcpFront({ provider })
    const client = new WireClient(address, 'alice', '2025-11-25')
    await client.initialize()
    const lastEventId = await cut(client, started)
    const resumed = new WireStream(await client.send('GET', { 'Last-Event-ID': lastEventId }))
    open()
    await resumed.ended
    expect(JSON.parse(resumed.events[0]?.data ?? '')).toMatchObject({ id: 7, result: {} })
  })

  test.each(['nonsense', 'x/1', '../../etc/passwd', `_GET_stream/${'9'.repeat(15)}`])(
    'after the event %j, which never was, is refused',
    async (lastEventId) => {
      const { address } = await startMcpFront()
      const client = new WireClient(address, 'alice', '2025-11-25')
      await client.initialize()
      expect(await client.get({ 'Last-Event-ID': lastEventId })).toMatchObject({
        status: 400,
        messages: [{ error: { code: -32_000, message: expect.stringContaining('no longer held') } }],
      })
    },
  )
})

test('a server that stops lets open requests be answered, takes no new sessions, and then ends all', async () => {
  const { provider, started, open } = held()
  const { address, routes, anonymous } = await startMcpFront({ provider })
  const client = new WireClient(address)
  await client.initialize()
  const stream = new WireStream(await client.send('GET'))
  const answer = client.post(EXEC)
  await started
  const closed = routes.close(5000)
  expect(await new WireClient(address).post(INITIALIZE)).toMatchObject({ status: 499 })
  open()
  expect(await answer).toMatchObject({ messages: [{ id: 7, result: {} }] })
  await closed
  await stream.ended
  expect([...anonymous.values()]).toEqual([{ ended: true }])
})
