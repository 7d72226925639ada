import { EventEmitter, getEventListeners } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Principal } from '../../../src/http/principal.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { type SessionLimits, Sessions } from '../../../src/transports/sessions.ts'

afterEach(() => vi.useRealTimers())

function table(limits: Partial<SessionLimits> = {}) {
  return new Sessions({
    limits: { idleMs: 60_000, max: 10_000, maxPerUser: 10_000, ...limits },
    anonymous: () => ({ user: 'anonymous', end: () => Promise.resolve() }),
    logger: silentLogger,
  })
}

function principal(user: string | undefined, ended = new AbortController().signal): Principal {
  return { user, scopes: new Set(['sandbox:use']), ended }
}

/** What is used of a response. */
class FakeResponse extends EventEmitter {
  destroyed = false
  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}
const asResponse = (fake: FakeResponse) => fake as unknown as ServerResponse

// TS10
test('the ids of 1000 sessions differ, in 128 bits that look random', () => {
  const sessions = table()
  const alice = principal('alice')
  const ids = Array.from({ length: 1000 }, () => sessions.open(alice, 'http').id)
  expect(new Set(ids).size).toBe(1000)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/)
  const ones = (bit: number) => ids.filter((id) => (BigInt(`0x${id}`) >> BigInt(bit)) & 1n).length
  // A fair coin's deviation is 16 here; six of them are no chance.
  for (let bit = 0; bit < 128; bit++) expect(Math.abs(ones(bit) - 500), `bit ${bit}`).toBeLessThan(96)
})

test('a session is found by its user on its own leg alone', () => {
  const sessions = table()
  const { id } = sessions.open(principal('alice'), 'http')
  expect(sessions.find(id, principal('alice'), 'http')?.id).toBe(id)
  expect(sessions.find(id, principal('alice'), 'sse')).toBeUndefined()
  expect(sessions.find(id, principal('bob'), 'http')).toBeUndefined()
  expect(sessions.find(id, principal(undefined), 'http')).toBeUndefined()
  expect(sessions.find([id], principal('alice'), 'http')).toBeUndefined()
  const nameless = sessions.open(principal(undefined), 'http')
  expect(sessions.find(nameless.id, principal('anonymous'), 'http')).toBeUndefined()
})

// LD05
test('10,000 sessions opened and ended leave no listener on a credential that they share, and no warning', async () => {
  const warnings: Error[] = []
  process.on('warning', (warning) => warnings.push(warning))
  const { signal } = new AbortController()
  const sessions = table()
  for (let at = 0; at < 10_000; at++) {
    const session = sessions.open(principal('alice', signal), 'http')
    const response = new FakeResponse()
    session.use(asResponse(response), principal('alice', signal))
    response.emit('close')
    if (at % 2 === 0) session.end('client')
  }
  await sessions.close()
  expect(sessions.size).toBe(0)
  expect(getEventListeners(signal, 'abort')).toEqual([])
  expect(warnings).toEqual([])
})

describe('the clock of a session', () => {
  test('stands while an answer or a stream is open, and then begins anew', () => {
    vi.useFakeTimers()
    const sessions = table({ idleMs: 1000 })
    const session = sessions.open(principal('alice'), 'http')
    const [one, two] = [new FakeResponse(), new FakeResponse()]
    session.use(asResponse(one), principal('alice'))
    session.use(asResponse(two), principal('alice'))
    vi.advanceTimersByTime(5000)
    one.emit('close')
    vi.advanceTimersByTime(5000)
    expect(session.isOver).toBe(false)
    two.emit('close')
    vi.advanceTimersByTime(900)
    expect(session.isOver).toBe(false)
    vi.advanceTimersByTime(400)
    expect(session.isOver).toBe(true)
    expect(sessions.size).toBe(0)
  })
})

test('a credential that has ended already cuts at once', () => {
  const sessions = table()
  const ended = AbortSignal.abort()
  const session = sessions.open(principal('alice'), 'http')
  const response = new FakeResponse()
  session.use(asResponse(response), principal('alice', ended))
  expect(response.destroyed).toBe(true)
})

test('the sandbox of an anonymous session is waited for when the server stops, and a failure is logged, not thrown', async () => {
  const ends: string[] = []
  const sessions = new Sessions({
    limits: { idleMs: 60_000, max: 10, maxPerUser: 10 },
    anonymous: () => ({
      user: 'x',
      end: async () => {
        await new Promise((resolve) => setImmediate(resolve))
        ends.push('removed')
        throw new Error('the engine does not answer')
      },
    }),
    logger: silentLogger,
  })
  sessions.open(principal(undefined), 'http')
  sessions.open(principal(undefined), 'sse')
  await sessions.close()
  expect(ends).toEqual(['removed', 'removed'])
})
