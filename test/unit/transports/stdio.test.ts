import { PassThrough } from 'node:stream'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { CallToolRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { PROTOCOL_VERSION_META_KEY, Server as ModernServer } from '@modelcontextprotocol/server'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { isModern } from '../../../src/transports/era.ts'
import { serveStdio } from '../../../src/transports/stdio.ts'

afterEach(() => vi.restoreAllMocks())

interface Session {
  readonly stdin: PassThrough
  readonly stdout: PassThrough
  /** The tool is being called. */
  readonly called: Promise<void>
  /** Lets the tool answer. */
  readonly answer: () => void
  readonly served: Promise<void>
  /** The tool's call was cancelled. */
  readonly cancelled: Promise<void>
  readonly stop: AbortController
  readonly output: () => string
  /** How often the end was told. */
  readonly ends: () => number
}

/** A server with one tool that answers when it may, on streams in place of the process's own. */
function session(): Session {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()]
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(stdin as unknown as typeof process.stdin)
  vi.spyOn(process, 'stdout', 'get').mockReturnValue(stdout as unknown as typeof process.stdout)
  let written = ''
  let ends = 0
  stdout.on('data', (data: Buffer) => (written += data.toString()))
  const [called, answered, cancelled] = [deferred<void>(), deferred<void>(), deferred<void>()]
  const tool = async (signal: AbortSignal) => {
    signal.addEventListener('abort', () => cancelled.resolve())
    called.resolve()
    await answered.promise
    return { content: [{ type: 'text' as const, text: 'the answer' }] }
  }
  const server = new Server({ name: 'test', version: '1' }, { capabilities: { tools: {} } })
  server.setRequestHandler(CallToolRequestSchema, (_request, { signal }) => tool(signal))
  const modern = () => {
    const made = new ModernServer({ name: 'test', version: '1' }, { capabilities: { tools: {} } })
    made.setRequestHandler('tools/call', (_request, { mcpReq }) => tool(mcpReq.signal))
    return Promise.resolve(made)
  }
  const stop = new AbortController()
  return {
    stdin,
    stdout,
    called: called.promise,
    cancelled: cancelled.promise,
    answer: () => answered.resolve(),
    served: serveStdio({ legacy: server, modern, logger: silentLogger }, stop.signal, () => ends++),
    ends: () => ends,
    stop,
    output: () => written,
  }
}

function send(stdin: PassThrough, message: Record<string, unknown>): void {
  stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
}

const CALL = { id: 1, method: 'tools/call', params: { name: 'x', arguments: {} } }

describe('a session over stdio ends', () => {
  test('when stdin ends, at once if nothing is open', async () => {
    const { stdin, served, ends } = session()
    stdin.end()
    await served
    expect(ends()).toBe(1)
  })

  test('when stdin ends, after the open request is answered', async () => {
    const { stdin, served, called, answer, output, ends } = session()
    send(stdin, CALL)
    await called
    stdin.end()
    await vi.waitFor(() => expect(ends()).toBe(1))
    expect(output()).not.toContain('the answer')
    answer()
    await served
    expect(output()).toContain('the answer')
  })

  test('when stdin ends, without an answer to a request that was cancelled', async () => {
    const { stdin, served, called, output } = session()
    send(stdin, CALL)
    await called
    send(stdin, { method: 'notifications/cancelled', params: { requestId: 1 } })
    stdin.end()
    const started = performance.now()
    await served
    // The bound for open requests is three seconds.
    expect(performance.now() - started).toBeLessThan(2000)
    expect(output()).not.toContain('the answer')
  })

  test('when stdin ends, within a bound though a request stays open', async () => {
    const { stdin, served, called, output } = session()
    send(stdin, CALL)
    await called
    const started = performance.now()
    stdin.end()
    await served
    expect(performance.now() - started).toBeGreaterThan(2900)
    expect(output()).not.toContain('the answer')
  })

  test('when it is stopped, whatever is open', async () => {
    const { stdin, served, called, stop } = session()
    send(stdin, CALL)
    await called
    stop.abort()
    await expect(served).resolves.toBeUndefined()
  })

  test('when stdout breaks', async () => {
    const { stdout, served } = session()
    await new Promise((resolve) => setImmediate(resolve))
    stdout.destroy(new Error('EPIPE'))
    await expect(served).resolves.toBeUndefined()
  })
})

describe('both eras share the pipe', () => {
  const META = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const DISCOVER = { method: 'server/discover', params: { _meta: META } }
  const INITIALIZE = {
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
  }

  /** The answer to a request, once it is there. */
  async function answerTo(output: () => string, id: number): Promise<unknown> {
    let answer: unknown
    await vi.waitFor(() => {
      const messages = output()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { id: number })
      answer = messages.find((each) => each.id === id)
      expect(answer).toBeDefined()
    })
    return answer
  }

  test.each([
    ['probes and then initializes', [DISCOVER, INITIALIZE]],
    ['initializes and then discovers', [INITIALIZE, DISCOVER]],
    ['says both at once, twice', [DISCOVER, INITIALIZE, INITIALIZE, DISCOVER]],
  ])('of a client that %s', async (_name, messages) => {
    const { stdin, served, output } = session()
    messages.forEach((message, at) => send(stdin, { id: at, ...message }))
    for (const [at, { method }] of messages.entries()) {
      const expected =
        method === 'initialize' ? { protocolVersion: '2025-11-25' } : { supportedVersions: ['2026-07-28'] }
      expect(await answerTo(output, at)).toMatchObject({ result: expected })
    }
    stdin.end()
    await served
  })

  test('and a cancel reaches the era of its request', async () => {
    const { stdin, served, output, called, cancelled } = session()
    send(stdin, { id: 7, method: 'tools/call', params: { name: 'x', arguments: {}, _meta: META } })
    await called
    send(stdin, { method: 'notifications/cancelled', params: { requestId: 7 } })
    await cancelled
    stdin.end()
    await served
    expect(output()).not.toContain('the answer')
  })

  test('and a modern request is answered after the end of stdin, too', async () => {
    const { stdin, served, output, called, answer } = session()
    send(stdin, { id: 7, method: 'tools/call', params: { name: 'x', arguments: {}, _meta: META } })
    await called
    stdin.end()
    answer()
    await served
    expect(output()).toContain('the answer')
  })

  test('and the key that tells them apart is the SDK’s', () => {
    expect(PROTOCOL_VERSION_META_KEY in META).toBe(true)
    expect(isModern({ jsonrpc: '2.0', id: 1, method: 'x', params: { _meta: META } })).toBe(true)
    expect(isModern({ jsonrpc: '2.0', id: 1, method: 'x', params: { _meta: {} } })).toBe(false)
    expect(isModern({ jsonrpc: '2.0', id: 1, method: 'x' })).toBe(false)
  })
})
