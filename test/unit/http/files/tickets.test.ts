import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Tickets } from '../../../../src/http/files/tickets.ts'
import { expectCode } from '../../../helpers/expect-code.ts'

const GRANT = { path: '/workspace/a', overwrite: true }

function world(ttlMs = 60_000) {
  const clock = { now: 1_000_000 }
  const tickets = new Tickets({ ttlMs, baseUrl: () => 'http://sandbox.test', now: () => clock.now })
  const put = (user = 'alice') => secretOf(tickets.urlsOf(user).put(GRANT).url)
  const expectNone = (secret: string, direction: 'put' | 'get' = 'put') =>
    expectCode(
      Promise.resolve().then(() => tickets.redeem(secret, direction)),
      'not_found',
    )
  return { clock, tickets, put, expectNone }
}

const secretOf = (url: string) => url.slice(url.lastIndexOf('/') + 1)

test('a clock that is set, forward or back, changes nothing of how long a ticket is good', () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const tickets = new Tickets({ ttlMs: 60_000, baseUrl: () => 'http://sandbox.test' })
  const { url, expiresAt } = tickets.urlsOf('alice').put(GRANT)
  const secret = url.slice(url.lastIndexOf('/') + 1)
  expect(expiresAt.getTime()).toBe(Date.now() + 60_000)
  vi.setSystemTime(Date.now() + 86_400_000)
  tickets.redeem(secret, 'put').giveBack()
  vi.setSystemTime(Date.now() - 2 * 86_400_000)
  vi.advanceTimersByTime(60_000)
  expect(() => tickets.redeem(secret, 'put')).toThrow('There is no such ticket')
})

describe('a ticket', () => {
  test('is a URL with 256 random bits and nothing of user or path, and says when it expires', () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const { tickets } = world()
    const { url, expiresAt } = tickets.urlsOf('alice').put(GRANT)
    expect(url).toMatch(/^http:\/\/sandbox\.test\/t\/[A-Za-z0-9_-]{43}$/)
    expect(expiresAt.getTime()).toBe(Date.now() + 60_000)
    expect(new Set(Array.from({ length: 100 }, () => tickets.urlsOf('bob').put(GRANT).url)).size).toBe(100)
  })

  test('is good for what it was given for', () => {
    const { tickets, put } = world()
    expect(tickets.redeem(put(), 'put').scope).toEqual({ user: 'alice', direction: 'put', grant: GRANT })
  })

  test('is refused alike when unknown, malformed, expired, spent, taken back or for the other direction', async () => {
    const { tickets, clock, put, expectNone } = world()
    const spent = put()
    tickets.redeem(spent, 'put').spend()
    const expired = put()
    clock.now += 60_000
    const takenBack = put('bob')
    tickets.revoke('bob')
    const secret = put()
    const refusals = [
      await expectNone('A'.repeat(43)),
      await expectNone(''),
      await expectNone('../../etc/passwd'),
      await expectNone(expired),
      await expectNone(spent),
      await expectNone(takenBack),
      await expectNone(secret, 'get'),
      await expectNone(`${secret}A`),
      await expectNone(secret.toUpperCase() === secret ? secret.toLowerCase() : secret.toUpperCase()),
    ]
    expect(new Set(refusals.map(({ message, hint }) => message + hint)).size).toBe(1)
    expect(() => tickets.redeem(secret, 'put')).not.toThrow()
  })

  test.each(Array.from({ length: 43 }, (_, at) => at))('with its character %i changed is none', async (at) => {
    const { put, expectNone } = world()
    const secret = put()
    const other = secret[at] === 'A' ? 'B' : 'A'
    await expectNone(`${secret.slice(0, at)}${other}${secret.slice(at + 1)}`)
  })

  test('is for one transfer at a time, and given back by one that failed', async () => {
    const { tickets, put } = world()
    const secret = put()
    const first = tickets.redeem(secret, 'put')
    await expectCode(
      Promise.resolve().then(() => tickets.redeem(secret, 'put')),
      'sandbox_limit',
    )
    first.giveBack()
    tickets.redeem(secret, 'put').spend()
  })

  test('that was spent does not come back', async () => {
    const { tickets, put, expectNone } = world()
    const secret = put()
    const redemption = tickets.redeem(secret, 'put')
    redemption.spend()
    redemption.giveBack()
    await expectNone(secret)
    expect(tickets.size).toBe(0)
  })

  test('may be good for less than the longest time, never for more', () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const { tickets } = world()
    const grant = { path: '/workspace/a', kind: 'directory' } as const
    const of = (ttlMs: number) => tickets.urlsOf('alice').get(grant, ttlMs).expiresAt.getTime() - Date.now()
    expect([of(1000), of(1_000_000)]).toEqual([1000, 60_000])
  })
})

describe('the number of open tickets', () => {
  test('is bounded for each user, and others are not held up by one who has taken theirs', async () => {
    const { put, tickets } = world()
    for (let count = 0; count < 256; count++) put()
    await expectCode(
      Promise.resolve().then(() => put()),
      'sandbox_limit',
    )
    expect(() => put('bob')).not.toThrow()
    expect(tickets.size).toBe(257)
  })

  test('falls when they expire', () => {
    const { put, clock, tickets } = world()
    for (let count = 0; count < 256; count++) put()
    clock.now += 60_000
    put()
    expect(tickets.size).toBe(1)
  })
})
