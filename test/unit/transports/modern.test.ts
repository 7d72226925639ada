import { Server } from '@modelcontextprotocol/server'
import { describe, expect, test, vi } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { FakeProvider } from '../../helpers/fake-provider.ts'
import { startMcpFront } from '../../helpers/mcp-front.ts'
import { INITIALIZE, modern, WireClient, WireStream } from '../../helpers/mcp-wire.ts'

const HEADERS = { 'MCP-Protocol-Version': '2026-07-28' }
const discover = (client: WireClient) =>
  client.post(modern('server/discover'), { ...HEADERS, 'Mcp-Method': 'server/discover' })
const EXEC = modern('tools/call', { name: 'shell_exec', arguments: { command: 'true' } })
const EXEC_HEADERS = { ...HEADERS, 'Mcp-Method': 'tools/call', 'Mcp-Name': 'shell_exec' }
const exec = (client: WireClient) => client.post(EXEC, EXEC_HEADERS)

describe('protocol 2026-07-28 over HTTP', () => {
  test('is discovered and called on /mcp without a session', async () => {
    const { address, provider, routes } = await startMcpFront()
    const client = new WireClient(address, 'alice')
    expect(await discover(client)).toMatchObject({
      status: 200,
      messages: [{ result: { supportedVersions: ['2026-07-28'], instructions: 'Be careful.', ttlMs: 300_000 } }],
    })
    expect(provider.acquired).toEqual([])
    expect(await exec(client)).toMatchObject({
      status: 200,
      messages: [{ result: { structuredContent: { exit_code: 0 } } }],
    })
    expect(provider.acquired).toEqual(['alice'])
    expect(routes.sessions.size).toBe(0)
  })

  test('uses the configured user for a caller without a name', async () => {
    const { address, provider } = await startMcpFront()
    await exec(new WireClient(address))
    expect(provider.acquired).toEqual(['local'])
  })

  test('is refused to a caller without a name where none is configured, in a way that clients fall back from', async () => {
    const { address, provider, anonymous } = await startMcpFront({ namelessUser: undefined })
    const client = new WireClient(address)
    for (const ask of [discover, exec]) {
      expect(await ask(client)).toMatchObject({
        status: 400,
        messages: [{ id: 1, error: { code: -32_022, data: { supported: expect.arrayContaining(['2025-11-25']) } } }],
      })
    }
    expect(provider.acquired).toEqual([])
    expect(anonymous.size).toBe(0)
    await client.initialize()
  })

  test('refuses what its headers say otherwise, as JSON', async () => {
    const { address, provider } = await startMcpFront()
    const client = new WireClient(address, 'alice')
    const answers = [
      await client.post(EXEC, { ...EXEC_HEADERS, 'Mcp-Method': 'tools/list' }),
      await client.post(EXEC, { ...EXEC_HEADERS, 'MCP-Protocol-Version': '2025-11-25' }),
      await client.post({ ...EXEC, params: { name: 'shell_exec' } }, EXEC_HEADERS),
      await client.post({ hello: 1 }, EXEC_HEADERS),
    ]
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 400, messages: [{ jsonrpc: '2.0', error: { code: expect.any(Number) } }] })
    }
    expect(provider.acquired).toEqual([])
  })

  test('a call whose connection is closed is cancelled; one that is over is not', async () => {
    const provider = new FakeProvider()
    const signals: (AbortSignal | undefined)[] = []
    const started = deferred<void>()
    const gate = deferred<void>()
    provider.before = async ({ signal }) => {
      signals.push(signal)
      started.resolve()
      await gate.promise
    }
    const { address } = await startMcpFront({ provider })
    const client = new WireClient(address, 'alice')
    const leaving = new AbortController()
    const left = client
      .send('POST', { ...EXEC_HEADERS, 'Content-Type': 'application/json' }, EXEC, '/mcp', leaving.signal)
      .catch(() => 'left')
    await started.promise
    leaving.abort()
    expect(await left).toBe('left')
    await vi.waitFor(() => expect(signals[0]?.aborted).toBe(true))
    gate.resolve()
    expect(await exec(client)).toMatchObject({ status: 200 })
    // The SDK closes the request's connection after its answer.
    await new Promise((resolve) => setImmediate(resolve))
    expect(signals[1]?.aborted).toBe(false)
  })

  test('a call is cut when its credential ends', async () => {
    const provider = new FakeProvider()
    const started = deferred<AbortSignal | undefined>()
    provider.before = ({ signal }) => {
      started.resolve(signal)
      return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('gone'))))
    }
    const { address, authenticator } = await startMcpFront({ provider })
    const answer = exec(new WireClient(address, 'alice')).catch(() => 'cut')
    const signal = await started.promise
    authenticator.revoke('alice')
    expect(await answer).toBe('cut')
    await vi.waitFor(() => expect(signal?.aborted).toBe(true))
  })

  test('a subscription takes the place of a session, and ends with its credential', async () => {
    const { address, authenticator, routes } = await startMcpFront({
      limits: { maxPerUser: 1 },
      bindV2: () =>
        Promise.resolve(new Server({ name: 'x', version: '1' }, { capabilities: { tools: { listChanged: true } } })),
    })
    const client = new WireClient(address, 'alice')
    const listen = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
    const headers = { ...HEADERS, 'Mcp-Method': 'subscriptions/listen', 'Content-Type': 'application/json' }
    const stream = new WireStream(await client.send('POST', headers, listen))
    await vi.waitFor(() => expect(stream.events).not.toEqual([]))
    expect(routes.sessions.size).toBe(1)
    expect(await client.post(INITIALIZE)).toMatchObject({ status: 429 })
    authenticator.revoke('alice')
    await stream.ended
    expect(routes.sessions.size).toBe(0)
  })
})
