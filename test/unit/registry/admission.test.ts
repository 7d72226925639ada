import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { deferred, type Deferred } from '../../../src/lib/deferred.ts'
import { noTelemetry } from '../../../src/lib/telemetry.ts'
import type { Admission, AdmissionOptions } from '../../../src/registry/admission.ts'
import { roomyAdmission } from '../../helpers/admission.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { failureOf } from '../../helpers/failure.ts'
import { seededRandom } from '../../helpers/random.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Calls whose work goes on until it is told to end, and the order in which they began. */
function bench(options: Partial<AdmissionOptions>) {
  const { telemetry, told } = recordingTelemetry()
  const admission = roomyAdmission({ telemetry, ...options })
  const began: string[] = []
  const calls = new Map<string, Deferred<void>>()
  return {
    admission,
    told,
    began,
    /** Of the user that the name begins with. */
    call(name: string, signal?: AbortSignal): Promise<string> {
      return admission.run(name.charAt(0), signal, async () => {
        began.push(name)
        const end = deferred<void>()
        calls.set(name, end)
        await end.promise
        return name
      })
    },
    async end(name: string): Promise<void> {
      calls.get(name)?.resolve()
      await settled()
    },
  }
}

/** Lets everything happen that waits for no timer. */
const settled = () => vi.advanceTimersByTimeAsync(0)

function expectEmpty(admission: Admission): void {
  expect({ running: admission.running, waiting: admission.waiting }).toEqual({ running: 0, waiting: 0 })
  expect(vi.getTimerCount()).toBe(0)
}

describe('below the caps', () => {
  test('work begins in the same turn, without a timer', () => {
    const { call, began, admission } = bench({ maxCalls: 2, maxCallsPerUser: 2 })
    void call('a1')
    void call('a2')
    expect(began).toEqual(['a1', 'a2'])
    expect(admission.running).toBe(2)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('what the work gives or throws is passed on, and its place is free again', async () => {
    const { admission, told } = bench({ maxCalls: 1, maxCallsPerUser: 1 })
    await expect(admission.run('a', undefined, () => Promise.resolve(7))).resolves.toBe(7)
    await expect(admission.run('a', undefined, () => Promise.reject(new Error('a fault')))).rejects.toThrow('a fault')
    await expect(
      admission.run('a', undefined, () => {
        throw new Error('thrown at once')
      }),
    ).rejects.toThrow('thrown at once')
    expectEmpty(admission)
    expect(told).toEqual([])
  })
})

describe('at a cap', () => {
  test('a user at theirs waits, and others do not', async () => {
    const { call, began, end } = bench({ maxCalls: 10, maxCallsPerUser: 2 })
    for (const name of ['a1', 'a2', 'a3', 'b1']) void call(name)
    expect(began).toEqual(['a1', 'a2', 'b1'])
    await end('b1')
    expect(began).toHaveLength(3)
    await end('a2')
    expect(began).toEqual(['a1', 'a2', 'b1', 'a3'])
  })

  test('users who wait take turns, one call each, and each user’s calls keep their order', async () => {
    const { call, began, end } = bench({ maxCalls: 3 })
    for (const name of ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'b2', 'c1']) void call(name)
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1']) await end(name)
    expect(began).toEqual(['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'a5', 'b2'])
  })

  test('a flood of one user delays another by no more than one call', async () => {
    const { call, began, end } = bench({ maxCalls: 300, maxCallsPerUser: 300 })
    for (let at = 0; at < 500; at++) void call(`a${at}`)
    void call('b')
    await end('a0')
    await end('a1')
    expect(began.indexOf('b')).toBeGreaterThan(-1)
    expect(began.length).toBe(302)
  })

  test('a user at their cap does not hold up those whose turn comes after', async () => {
    const { call, began, end } = bench({ maxCalls: 3, maxCallsPerUser: 2 })
    for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) void call(name)
    expect(began).toEqual(['a1', 'a2', 'b1'])
    await end('b1')
    // a's turn would have been first; it has two running.
    expect(began).toEqual(['a1', 'a2', 'b1', 'b2'])
  })

  test('how long a call waited is told', async () => {
    const { call, end, told } = bench({ maxCalls: 1 })
    void call('a1')
    void call('b1')
    await end('a1')
    expect(told).toEqual([['callWaited']])
  })
})

describe('a refusal', () => {
  test('comes when the time in the queue is over, and says what is in the way and when to come back', async () => {
    const { call, told, admission, end } = bench({ maxCalls: 3, maxCallsPerUser: 2, queueTimeoutMs: 5000 })
    for (const name of ['a1', 'a2', 'b1']) void call(name)
    const own = expectCode(call('a3'), 'sandbox_limit')
    const all = expectCode(call('c1'), 'sandbox_limit')
    await vi.advanceTimersByTimeAsync(4999)
    expect(admission.waiting).toBe(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(await own).toMatchObject({
      message: 'You have 2 calls running, the most for one user, and none ended within 5 s.',
      hint: 'Call again in 5 s, with fewer calls at once.',
      retryAfterMs: 5000,
    })
    expect((await all).message).toMatch(/^The server has 3 calls running/)
    expect(told).toEqual([
      ['callRefused', 'queue_timeout'],
      ['callRefused', 'queue_timeout'],
    ])
    for (const name of ['a1', 'a2', 'b1']) await end(name)
    expectEmpty(admission)
  })

  test('comes at once when the queue is full of the user’s own calls', async () => {
    const { call, told, admission } = bench({ maxCalls: 2, maxCallsPerUser: 2 })
    for (let at = 0; at < 6; at++) void call(`a${at}`)
    const error = await expectCode(call('a6'), 'sandbox_limit')
    expect(error.message).toBe('Too many calls wait for the server already.')
    expect(told).toEqual([['callRefused', 'queue_full']])
    expect(admission.waiting).toBe(4)
  })

  test('goes to the newest call of the longest queue when another user comes to a full one', async () => {
    const { call, began, end } = bench({ maxCalls: 2 })
    for (let at = 0; at < 5; at++) void call(`a${at}`)
    const newest = expectCode(call('a5'), 'sandbox_limit')
    void call('b1')
    await newest
    await end('a0')
    await end('a1')
    expect(began).toEqual(['a0', 'a1', 'a2', 'b1'])
  })

  test('does not take a place from a queue that is hardly longer than the newcomer’s', async () => {
    const { call, admission } = bench({ maxCalls: 1, maxCallsPerUser: 1 })
    void call('a1')
    const others = [call('b1'), call('c1')]
    await expectCode(call('d1'), 'sandbox_limit')
    expect(admission.waiting).toBe(2)
    expect(others).toHaveLength(2)
  })

  test('with no time in the queue comes as soon as there is no place', async () => {
    const { call } = bench({ maxCalls: 1, queueTimeoutMs: 0 })
    void call('a1')
    const refused = expectCode(call('b1'), 'sandbox_limit')
    await vi.advanceTimersByTimeAsync(1)
    expect((await refused).hint).toContain('Call again in 1 s')
  })
})

describe('a cancel', () => {
  const reason = new Error('no longer wanted')

  test('before the call does no work and takes no place', async () => {
    const { call, began, admission } = bench({})
    await expect(call('a1', AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(began).toEqual([])
    expectEmpty(admission)
  })

  test('leaves the queue, and the turn goes to the next', async () => {
    const { call, began, end, admission } = bench({ maxCalls: 1 })
    const cancel = new AbortController()
    void call('a1')
    const gone = failureOf(call('b1', cancel.signal))
    void call('c1')
    cancel.abort(reason)
    expect(await gone).toBe(reason)
    expect(admission.waiting).toBe(1)
    await end('a1')
    expect(began).toEqual(['a1', 'c1'])
    await end('c1')
    expectEmpty(admission)
  })

  test('between the turn and the work gives the place to the next', async () => {
    const cancel = new AbortController()
    // Told when b1 has been given its place, before it goes on.
    const telemetry = { ...noTelemetry, callWaited: () => cancel.abort(reason) }
    const { call, began, end, admission } = bench({ maxCalls: 1, telemetry })
    void call('a1')
    const gone = failureOf(call('b1', cancel.signal))
    void call('c1')
    await end('a1')
    expect(await gone).toBe(reason)
    expect(began).toEqual(['a1', 'c1'])
    await end('c1')
    expectEmpty(admission)
  })

  test('during the work is the work’s own matter, and leaves no listener behind', async () => {
    const { call, end, admission } = bench({ maxCalls: 1 })
    const cancel = new AbortController()
    const removed = vi.spyOn(cancel.signal, 'removeEventListener')
    void call('a1')
    const second = call('a2', cancel.signal)
    await end('a1')
    expect(removed).toHaveBeenCalledOnce()
    cancel.abort(reason)
    expect(admission.running).toBe(1)
    await end('a2')
    await expect(second).resolves.toBe('a2')
    expectEmpty(admission)
  })
})

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'whatever happens in whatever order, the caps hold and every call ends (seed %i)',
  async (seed) => {
    const random = seededRandom(seed)
    const pick = (below: number) => Math.floor(random() * below)
    const maxCalls = 1 + pick(6)
    const maxCallsPerUser = 1 + pick(4)
    const admission = roomyAdmission({ maxCalls, maxCallsPerUser, queueTimeoutMs: 50 })
    const broken: string[] = []
    const running = new Map<string, number>()
    const results: Promise<unknown>[] = []
    const work = async (user: string, ms: number) => {
      running.set(user, (running.get(user) ?? 0) + 1)
      const all = [...running.values()].reduce((sum, each) => sum + each, 0)
      if (all > maxCalls) broken.push(`${all} calls of all`)
      if (Number(running.get(user)) > maxCallsPerUser) broken.push(`${running.get(user)} calls of ${user}`)
      // More only by those that have their place and go on within this turn.
      if (admission.running < all) broken.push(`${all} calls, ${admission.running} counted`)
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
      running.set(user, (running.get(user) ?? 0) - 1)
      return 'done' as const
    }
    for (let step = 0; step < 400; step++) {
      const user = `user${pick(5)}`
      const cancel = new AbortController()
      const ms = pick(20)
      const call = admission.run(user, cancel.signal, () => work(user, ms))
      results.push(call.catch((error: unknown) => (error === 'cancelled' ? 'cancelled' : codeIn(error))))
      if (random() < 0.3) setTimeout(() => cancel.abort('cancelled'), pick(15))
      if (random() < 0.4) await vi.advanceTimersByTimeAsync(pick(10))
      if (admission.waiting > maxCalls * 2) broken.push(`${admission.waiting} calls wait`)
    }
    await vi.advanceTimersByTimeAsync(60_000)
    const ends = await Promise.all(results)
    expect(new Set(ends)).toEqual(new Set(['done', 'cancelled', 'sandbox_limit']))
    expect(broken).toEqual([])
    expectEmpty(admission)
  },
)

function codeIn(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : error
}
