import { expect, test } from 'vitest'
import { startMcpFront } from '../../helpers/mcp-front.ts'

const PING = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })

async function ask(address: URL, user: string, guess: number): Promise<number> {
  const answer = await fetch(new URL('/mcp', address), {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${user}`,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'Mcp-Session-Id': `guess-${guess}`,
    },
    body: PING,
  })
  await answer.text()
  return answer.status
}

// TS10
test('ids that are guessed are unknown, soon refused, and nobody else notices', { timeout: 60_000 }, async () => {
  const { address } = await startMcpFront()
  const statuses: number[] = []
  for (let guess = 0; guess < 650; guess++) statuses.push(await ask(address, 'mallory', guess))
  expect(statuses.slice(0, 600)).toEqual(Array.from({ length: 600 }, () => 404))
  expect(statuses.slice(600)).toEqual(Array.from({ length: 50 }, () => 429))
  expect(await ask(address, 'alice', 0)).toBe(404)
  const wanted = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
  const opened = await fetch(new URL('/mcp', address), {
    method: 'POST',
    headers: {
      Authorization: 'Bearer mallory',
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: wanted }),
  })
  await opened.text()
  expect(opened.status).toBe(200)
})
