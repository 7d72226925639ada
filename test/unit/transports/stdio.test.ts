import { PassThrough } from 'node:stream'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { CallToolRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
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
  const [called, answered] = [deferred<void>(), deferred<void>()]
  const server = new Server({ name: 'test', version: '1' }, { capabilities: { tools: {} } })
  server.setRequestHandler(CallToolRequestSchema, async () => {
    called.resolve()
    await answered.promise
    return { content: [{ type: 'text', text: 'the answer' }] }
  })
  const stop = new AbortController()
  return {
    stdin,
    stdout,
    called: called.promise,
    answer: () => answered.resolve(),
    served: serveStdio(server, stop.signal, () => ends++),
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
