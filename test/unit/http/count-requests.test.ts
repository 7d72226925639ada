import { once } from 'node:events'
import { request } from 'node:http'
import express from 'express'
import { expect, test, vi } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { startFront } from '../../helpers/http-front.ts'
import { sendRaw } from '../../helpers/raw-http.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'

/** Its last argument is the time, which the recorder leaves out. */
async function countedFront() {
  const { telemetry, told } = recordingTelemetry()
  const files = express.Router()
  files.get('/files/busy', () => {
    throw new SandboxError('sandbox_limit', 'Too many.', { retryAfterMs: 1500 })
  })
  files.get('/files/hung', () => {})
  files.get('/files/stream', (_request, response) => void response.write('begun'))
  files.use('/files', (_request, response) => response.end('ok'))
  return { address: await startFront({ telemetry, routes: { files } }), told }
}

test('requests are told by method, route and status, whoever answered them', async () => {
  const { address, told } = await countedFront()
  for (const path of ['/files/a/secret.txt', '/FILES/b?ticket=secret', '/files/busy', '/nowhere/secret', '/secret']) {
    await (await fetch(new URL(path, address))).text()
  }
  await fetch(new URL('/files/x', address), { method: 'PUT' })
  await sendRaw(address, 'PURGE /files/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  await sendRaw(address, 'GET /files/x HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
  await vi.waitFor(() => expect(told).toHaveLength(8))
  expect(told).toEqual([
    ['httpRequest', 'GET', '/files', 200],
    ['httpRequest', 'GET', '/files', 200],
    ['httpRequest', 'GET', '/files', 429],
    ['httpRequest', 'GET', 'other', 404],
    ['httpRequest', 'GET', 'other', 404],
    ['httpRequest', 'PUT', '/files', 200],
    ['httpRequest', 'other', '/files', 200],
    ['httpRequest', 'GET', '/files', 403],
  ])
})

test('a client that leaves before its answer is told as such; one that leaves a stream got its answer', async () => {
  const { address, told } = await countedFront()
  const hung = request(new URL('/files/hung', address))
  hung.on('error', () => {})
  hung.end()
  await once(hung, 'socket')
  await vi.waitFor(() => expect(hung.socket?.connecting).toBe(false))
  hung.destroy()
  await vi.waitFor(() => expect(told).toEqual([['httpRequest', 'GET', '/files', 499]]))
  const stream = request(new URL('/files/stream', address))
  stream.on('error', () => {})
  stream.end()
  await once(stream, 'response')
  stream.destroy()
  await vi.waitFor(() => expect(told.at(-1)).toEqual(['httpRequest', 'GET', '/files', 200]))
})

test('a refusal says when to come back', async () => {
  const { address } = await countedFront()
  const answer = await fetch(new URL('/files/busy', address))
  expect(answer.headers.get('retry-after')).toBe('2')
})
