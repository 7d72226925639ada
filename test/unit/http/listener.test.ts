import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import express from 'express'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createAuthenticator } from '../../../src/http/auth/create.ts'
import { createHttpFront } from '../../../src/http/server.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { failureOf } from '../../helpers/failure.ts'
import { startFront } from '../../helpers/http-front.ts'
import { parseAnswer, sendRaw } from '../../helpers/raw-http.ts'
import { recordingLogger } from '../../helpers/recording-logger.ts'

// Waits for the system to tell of a change, or for timeouts of the server: more than a busy machine takes.
vi.setConfig({ testTimeout: 20_000 })

const health = (_request: unknown, response: { end(text: string): void }) => response.end('reached')

/** A connection whose text is kept. */
async function open(address: URL): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect(Number(address.port), address.hostname)
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return { socket, text: () => text }
}

describe('a client that takes its time', () => {
  const flags = { 'headers-timeout': '150ms', 'body-timeout': '150ms', 'keep-alive-timeout': '150ms' }

  test.each([
    ['says nothing', ''],
    ['does not end its headers', 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: '],
  ])('and %s is cut', async (_name, head) => {
    const { socket, text } = await open(await startFront({ flags, routes: { health } }))
    socket.write(head)
    await once(socket, 'close')
    expect(parseAnswer(text()).status).toBe(408)
  })

  test('and stops in the middle of an upload is cut', async () => {
    const files = express.Router().put('/file', (request, response) => {
      request.resume().on('end', () => response.end())
    })
    const { socket, text } = await open(await startFront({ flags, routes: { files } }))
    socket.write('PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf of it')
    await once(socket, 'close')
    expect(text()).toBe('')
  })

  test('but sends on is not, however long the whole takes', async () => {
    const files = express.Router().put('/file', (request, response) => {
      let bytes = 0
      request.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('end', () => response.end(`got ${bytes}`))
    })
    const { socket, text } = await open(await startFront({ flags, routes: { files } }))
    socket.write('PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n')
    const beat = setInterval(() => socket.write('x'), 30)
    onTestFinished(() => clearInterval(beat))
    await expect.poll(text, { timeout: 10_000 }).toContain('got 20')
    clearInterval(beat)
  })

  test('to read a stream is left alone', async () => {
    const over = deferred<void>()
    const mcp = express.Router().get('/mcp', async (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
      await over.promise
      response.end('last')
    })
    const { socket, text } = await open(await startFront({ flags, routes: { mcp } }))
    socket.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await expect.poll(text).toContain('200 OK')
    // Long enough for each of the three timeouts to have come several times.
    setTimeout(() => over.resolve(), 800)
    await once(socket, 'close')
    expect(text()).toContain('last')
  })

  test('between two requests is cut', async () => {
    const { socket, text } = await open(await startFront({ flags, routes: { health } }))
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(socket, 'close')
    expect(text()).toContain('reached')
  })
})

test(
  '500 connections that send nothing or little keep nobody else from being served',
  { timeout: 30_000 },
  async () => {
    const flags = { 'headers-timeout': '1s', 'body-timeout': '1s' }
    const mcp = express.Router().post('/mcp', (request, response) => void response.json(request.body))
    const address = await startFront({ flags, routes: { mcp } })
    const heads = [
      '',
      'POST /mcp HTTP/1.1\r\nHost: ',
      'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[',
    ]
    const slow = await Promise.all(Array.from({ length: 500 }, () => open(address)))
    const closed = slow.map(({ socket }, at) => {
      socket.write(heads[at % heads.length] ?? '')
      return once(socket, 'close')
    })
    for (let call = 0; call < 50; call++) {
      const answer = await fetch(new URL('/mcp', address), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: String(call),
      })
      expect(await answer.json()).toBe(call)
    }
    expect(await Promise.all(closed)).toHaveLength(500)
  },
)

test('more connections than are allowed are refused, and told to the log once', async () => {
  const { logger, lines } = recordingLogger()
  const address = await startFront({ flags: { 'max-connections': '2' }, logger, routes: { health } })
  const [first] = [await open(address), await open(address)]
  for (let more = 0; more < 3; more++) {
    const { socket } = await open(address)
    await once(socket, 'close')
  }
  expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  first.socket.destroy()
  await expect
    .poll(async () => (await sendRaw(address, 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).status)
    .toBe(200)
})

describe('what is no HTTP request that we take', () => {
  const headers = (count: number) => Array.from({ length: count }, (_, at) => `X-${at}: 1`).join('\r\n')
  test.each([
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['a length twice', 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    [
      'a length and chunks',
      'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    ['headers of 20 KB', `GET / HTTP/1.1\r\nHost: localhost\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['200 headers', `GET / HTTP/1.1\r\nHost: localhost\r\n${headers(200)}\r\n\r\n`, 431],
  ])('%s gets an answer in JSON, and the connection is closed', async (_name, text, status) => {
    const answer = await sendRaw(await startFront({ routes: { health } }), text)
    expect(answer).toMatchObject({
      status,
      headers: { 'content-type': 'application/json; charset=utf-8', connection: 'close' },
    })
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: expect.any(String) } })
  })
})

describe('a client that asks for leave to send its body', () => {
  const ask = (path: string) =>
    `PUT ${path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n`

  test('gets it when the body is read', async () => {
    const files = express.Router().put('/file', async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      response.end(`got ${Buffer.concat(chunks).toString()}`)
    })
    const { socket, text } = await open(await startFront({ routes: { files } }))
    socket.write(ask('/file'))
    await expect.poll(text).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write('data')
    await once(socket, 'close')
    expect(text()).toContain('got data')
  })

  test('does not get it for a request that is refused', async () => {
    const { socket, text } = await open(await startFront())
    socket.write(ask('/nowhere'))
    await once(socket, 'close')
    expect(parseAnswer(text()).status).toBe(404)
    expect(text()).not.toContain('100 Continue')
  })
})

describe('closing', () => {
  async function started(routes: NonNullable<Parameters<typeof startFront>[0]>['routes']) {
    const { config } = loadConfig({ flags: { port: '0' }, env: {} })
    const authenticator = await createAuthenticator(config, silentLogger)
    const front = createHttpFront({ config, authenticator, logger: silentLogger, ...(routes && { routes }) })
    return { front, address: await front.listen() }
  }

  test('waits for the request that is under way, and tells it that the connection ends', async () => {
    const over = deferred<void>()
    const arrived = deferred<void>()
    const mcp = express.Router().get('/mcp', async (_request, response) => {
      arrived.resolve()
      await over.promise
      response.end('done')
    })
    const { front, address } = await started({ mcp })
    const answer = fetch(new URL('/mcp', address))
    await arrived.promise
    let isClosed = false
    const closed = front.close(60_000).then(() => (isClosed = true))
    expect(await failureOf(fetch(new URL('/mcp', address)))).toMatchObject({ cause: { code: 'ECONNREFUSED' } })
    expect(isClosed).toBe(false)
    over.resolve()
    expect(await (await answer).text()).toBe('done')
    await closed
  })

  test('cuts what is not done in time', async () => {
    const arrived = deferred<void>()
    const mcp = express.Router().get('/mcp', () => arrived.resolve())
    const { front, address } = await started({ mcp })
    const failure = failureOf(fetch(new URL('/mcp', address)))
    await arrived.promise
    await front.close(50)
    expect(await failure).toMatchObject({ cause: { code: 'UND_ERR_SOCKET' } })
  })
})

test('an address that is taken is told to the operator', async () => {
  const { port } = await startFront()
  const { message } = await expectCode(startFront({ flags: { port } }), 'config_invalid')
  expect(message).toBe(`Cannot listen on 127.0.0.1, port ${port} (EADDRINUSE).`)
})
