import express from 'express'
import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { startFront } from '../../helpers/http-front.ts'
import { recordingLogger } from '../../helpers/recording-logger.ts'

/** Fails with the given error at every path. */
const failing = (error: unknown) =>
  express.Router().use(() => {
    throw error
  })

async function answer(path: string, error: unknown) {
  const { logger, lines } = recordingLogger()
  const address = await startFront({ routes: { files: failing(error) }, logger })
  const response = await fetch(new URL(path, address))
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    body: (await response.json()) as Record<string, unknown>,
    lines,
  }
}

const notThere = new SandboxError('not_found', 'a.txt does not exist.', { details: { path: '/host/secret' } })

test('an error has its code, message, hint and status', async () => {
  expect(await answer('/files/a.txt', notThere)).toMatchObject({
    status: 404,
    type: 'application/json; charset=utf-8',
    body: { error: { code: 'not_found', message: 'a.txt does not exist.', hint: 'Check the name with list_files.' } },
  })
})

test.each(['/mcp', '/sse', '/messages', '/mcp/', '/mcp?x=1', '/MCP'])(
  'an error at %s is one of JSON-RPC',
  async (path) => {
    expect((await answer(path, notThere)).body).toEqual({
      jsonrpc: '2.0',
      error: {
        code: -32_000,
        message: 'not_found: a.txt does not exist. Check the name with list_files.',
        data: { code: 'not_found', hint: 'Check the name with list_files.' },
      },
      id: null,
    })
  },
)

test.each(['/mcpx', '/files/mcp', '/'])('an error at %s is not', async (path) => {
  expect((await answer(path, notThere)).body).toHaveProperty('error.code', 'not_found')
})

describe('a fault of the server', () => {
  test.each<[string, unknown]>([
    ['an error', new Error('connect ENOENT /var/run/docker.sock')],
    ['an error of the code internal', new SandboxError('internal', 'It failed at /var/run/docker.sock.')],
    ['a text', '/var/run/docker.sock'],
  ])('as %s is told by an incident, whose text is in the log alone', async (_name, error) => {
    const { status, body, lines } = await answer('/files/a', error)
    const incident = /incident ([0-9a-f]{12})\.$/.exec((body['error'] as { hint: string }).hint)?.[1]
    expect(status).toBe(500)
    expect(body).toMatchObject({ error: { code: 'internal', message: 'The server failed.' } })
    expect(JSON.stringify(body)).not.toMatch(/docker|ENOENT|at /)
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'error', fields: expect.objectContaining({ incident }) }),
    )
  })
})

test('a path that is no percent-encoding is the client’s mistake', async () => {
  const files = express.Router().get('/files/:name', (_request, response) => void response.end())
  const response = await fetch(new URL('/files/%ff', await startFront({ routes: { files } })))
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ error: { code: 'invalid_argument' } })
})

test('an answer that has begun is cut, so that nobody takes it for whole', async () => {
  const files = express.Router().get('/files/a', (_request, response) => {
    response.writeHead(200).write('half')
    throw new Error('in the middle')
  })
  const response = await fetch(new URL('/files/a', await startFront({ routes: { files } })))
  await expect(response.text()).rejects.toThrow('terminated')
})

test('whatever is answered, no cache keeps it, no page frames it and no browser guesses its type', async () => {
  const { headers } = await fetch(await startFront())
  expect(Object.fromEntries(headers)).toMatchObject({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  })
  expect(headers.get('x-powered-by')).toBeNull()
})
