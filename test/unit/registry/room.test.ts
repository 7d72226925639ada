import { afterEach, describe, expect, test, vi } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import type { Registry } from '../../../src/registry/registry.ts'
import { roomyAdmission } from '../../helpers/admission.ts'
import { failureOf } from '../../helpers/failure.ts'
import { settle } from '../../helpers/pass-time.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'
import { registryLab } from '../../helpers/registry-lab.ts'

afterEach(() => vi.useRealTimers())

/** A server with places for so many, whose queue's clock is the test's. */
async function crowded(maxRunning: number, queueTimeoutMs = 10_000) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const lab = await registryLab()
  const { telemetry, told } = recordingTelemetry()
  const server = lab.server({ maxRunning, queueTimeoutMs, telemetry })
  const passTime = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(ms)
    await settle()
  }
  return { lab, server, told, passTime }
}

describe('while all places are in use', () => {
  test('users wait in their order, and each has a place as soon as one is idle', async () => {
    const { lab, server, told } = await crowded(1)
    const first = await server.acquire('a')
    const order: string[] = []
    const waiting = ['b', 'c', 'd'].map(async (user) => {
      const lease = await server.acquire(user)
      order.push(user)
      return lease
    })
    await settle()
    expect(server.waitingForRoom).toBe(3)
    expect(order).toEqual([])
    first.release()
    for (const turn of waiting) (await turn).release()
    expect(order).toEqual(['b', 'c', 'd'])
    expect(told.filter(([method]) => method === 'roomWaited')).toHaveLength(3)
    expect(await lab.engine.containers.list({})).toHaveLength(1)
    await server.close(false)
  })

  test('the calls of one user wait as one, and come in together', async () => {
    const { server } = await crowded(1)
    const first = await server.acquire('a')
    const calls = Array.from({ length: 5 }, () => server.acquire('b'))
    const later = server.acquire('c')
    await settle()
    expect(server.waitingForRoom).toBe(2)
    first.release()
    const leases = await Promise.all(calls)
    expect(new Set(leases.map(({ sandbox }) => sandbox)).size).toBe(1)
    for (const lease of leases) lease.release()
    ;(await later).release()
    await server.close(false)
  })

  test('nobody overtakes who waits, also when a place is free for a moment', async () => {
    const { lab, server } = await crowded(1)
    const first = await server.acquire('a')
    const waiting = server.acquire('b')
    await settle()
    // Its container ends, so that its place is free once its call has ended.
    lab.engine.kill((await lab.container('a'))?.id ?? '')
    await settle()
    first.release()
    const latecomer = server.acquire('c')
    const early = await waiting
    await settle()
    expect(server.waitingForRoom).toBe(1)
    early.release()
    ;(await latecomer).release()
    await server.close(false)
  })

  test('a call is refused in time, and told when to come back', async () => {
    const { server, told, passTime } = await crowded(1)
    await server.acquire('a')
    const failure = failureOf(server.acquire('b'))
    await passTime(9999)
    expect(server.waitingForRoom).toBe(1)
    await passTime(1)
    expect(await failure).toMatchObject({
      code: 'sandbox_limit',
      retryAfterMs: 10_000,
      hint: 'Call again in 10 s.',
      message: expect.stringContaining('All 1 sandboxes'),
    })
    expect(server.waitingForRoom).toBe(0)
    expect(told).toContainEqual(['callRefused', 'no_room'])
    await server.close(false)
  })

  test('a call that is given up leaves the queue to the others', async () => {
    const { server } = await crowded(1)
    const first = await server.acquire('a')
    const controller = new AbortController()
    const failure = failureOf(server.acquire('b', { signal: controller.signal }))
    const next = server.acquire('c')
    await settle()
    controller.abort(new Error('enough'))
    expect(await failure).toMatchObject({ message: 'enough' })
    first.release()
    ;(await next).release()
    await server.close(false)
  })

  test('a sandbox in which a command runs is kept; its end is noticed', async () => {
    const { lab, server, passTime } = await crowded(1, 60_000)
    ;(await server.acquire('a')).release()
    const state = await lab.supervisorOf('a')
    state.running = 1
    const waiting = server.acquire('b')
    await passTime(5000)
    expect(await lab.container('a')).toBeDefined()
    state.running = 0
    await passTime(500)
    expect((await waiting).notice).toBe('created')
    expect(await lab.container('a')).toBeUndefined()
    await server.close(false)
  })

  test('a call of a sandbox that was to go, and is not after all, waits for nobody', async () => {
    const { lab, server, passTime } = await crowded(1)
    ;(await server.acquire('a')).release()
    const state = await lab.supervisorOf('a')
    state.running = 1
    const answered = deferred<void>()
    lab.onQuiesce = () => answered.promise
    const failure = failureOf(server.acquire('b'))
    await settle()
    // It comes between the question whether its sandbox may go, and the answer that it may not.
    const own = server.acquire('a')
    await settle()
    answered.resolve()
    const lease = await own
    expect(lease.notice).toBeUndefined()
    lease.release()
    await passTime(10_000)
    expect(await failure).toMatchObject({ code: 'sandbox_limit' })
    await server.close(false)
  })

  test('a start that fails gives its place to the next', async () => {
    const { lab, server } = await crowded(1)
    lab.engine.fail('containers.create', new SandboxError('engine_failed', 'no'))
    const failing = failureOf(server.acquire('a'))
    const next = server.acquire('b')
    expect(await failing).toMatchObject({ code: 'engine_failed' })
    lab.engine.heal()
    expect((await next).notice).toBe('created')
    await server.close(false)
  })

  test('the sandbox of an anonymous session is no room', async () => {
    const { lab, server, passTime } = await crowded(1)
    const { user } = server.anonymousUser()
    ;(await server.acquire(user)).release()
    const failure = failureOf(server.acquire('b'))
    await passTime(10_000)
    expect(await failure).toMatchObject({ code: 'sandbox_limit' })
    expect(await lab.engine.containers.list({})).toHaveLength(1)
    await server.close(false)
  })
})

/** The place is taken anew, and d and b ask for it, in this order, until both had it. */
async function queueAgain(server: Registry, come: (user: string) => Promise<unknown>): Promise<void> {
  const second = await server.acquire('a')
  const both = [come('d'), come('b')]
  await settle()
  second.release()
  await Promise.all(both)
}

describe('a user who was refused', () => {
  /** A server with one place, which `a` has until `free`; `b` was refused after 10 s, and `c` waits since 5 s. */
  async function afterRefusal() {
    const { lab, server, passTime } = await crowded(1)
    const first = await server.acquire('a')
    const order: string[] = []
    const come = async (user: string) => {
      const lease = await server.acquire(user)
      order.push(user)
      lease.release()
    }
    const refused = failureOf(come('b'))
    await passTime(5000)
    const later = come('c')
    await passTime(5000)
    expect(await refused).toMatchObject({ code: 'sandbox_limit' })
    return { lab, server, order, come, later, passTime, free: () => first.release() }
  }

  test('has kept their turn when they come again as told', async () => {
    const { server, order, come, later, free } = await afterRefusal()
    const again = come('b')
    const newcomer = come('d')
    await settle()
    free()
    await Promise.all([again, later, newcomer])
    expect(order).toEqual(['b', 'c', 'd'])
    await server.close(false)
  })

  test('keeps it over further refusals', async () => {
    const { server, order, come, later, passTime, free } = await afterRefusal()
    const second = failureOf(come('b'))
    const laterAsWell = failureOf(later)
    await passTime(10_000)
    expect(await second).toMatchObject({ code: 'sandbox_limit' })
    expect(await laterAsWell).toMatchObject({ code: 'sandbox_limit' })
    const again = [come('d'), come('c'), come('b')]
    await settle()
    free()
    await Promise.all(again)
    expect(order).toEqual(['b', 'c', 'd'])
    await server.close(false)
  })

  test('has lost it when they stay away for twice the time', async () => {
    const { server, order, come, later, passTime, free } = await afterRefusal()
    expect(await Promise.all([failureOf(later), passTime(20_000)])).toMatchObject([
      { code: 'sandbox_limit' },
      undefined,
    ])
    const newcomer = come('d')
    const again = come('b')
    await settle()
    free()
    await Promise.all([newcomer, again])
    expect(order).toEqual(['d', 'b'])
    await server.close(false)
  })

  test('has it once', async () => {
    const { server, order, come, later, free } = await afterRefusal()
    const again = come('b')
    await settle()
    free()
    await Promise.all([again, later])
    await queueAgain(server, come)
    expect(order).toEqual(['b', 'c', 'd', 'b'])
    await server.close(false)
  })

  test('does not have it any more once there was a place without waiting', async () => {
    const { lab, server, order, come, later, free } = await afterRefusal()
    free()
    await later
    lab.engine.kill((await lab.container('c'))?.id ?? '')
    await settle()
    await come('b')
    await queueAgain(server, come)
    expect(order).toEqual(['c', 'b', 'd', 'b'])
    await server.close(false)
  })
})

test('a frozen sandbox takes a place, and makes room', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
  const lab = await registryLab()
  const server = lab.server({ maxRunning: 1, queueTimeoutMs: 10_000, freezeAfterMs: 1000 })
  ;(await server.acquire('a')).release()
  await vi.advanceTimersByTimeAsync(1250)
  await settle()
  expect(await lab.container('a')).toMatchObject({ state: 'paused' })
  expect((await server.acquire('b')).notice).toBe('created')
  expect(await lab.container('a')).toBeUndefined()
  await server.close(false)
})

test('under memory pressure the longest idle goes to sleep, never one in use', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const lab = await registryLab()
  const { telemetry, told } = recordingTelemetry()
  let availableBytes = 2
  const memory = { floorBytes: 2, read: () => Promise.resolve({ availableBytes, stalledPercent: 0 }) }
  const server = lab.server({ memory, telemetry })
  for (const user of ['a', 'b', 'c', 'busy']) {
    ;(await server.acquire(user)).release()
    await vi.advanceTimersByTimeAsync(10)
  }
  const lease = await server.acquire('a')
  ;(await lab.supervisorOf('busy')).running = 1
  availableBytes = 1
  await vi.advanceTimersByTimeAsync(2000)
  await settle()
  expect(await lab.container('b')).toBeUndefined()
  expect(await lab.container('c')).toBeDefined()
  await vi.advanceTimersByTimeAsync(8000)
  await settle()
  expect((await lab.engine.containers.list({})).length).toBe(2)
  expect(await lab.container('a')).toBeDefined()
  expect(await lab.container('busy')).toBeDefined()
  expect(told.filter(([, reason]) => reason === 'memory')).toHaveLength(2)
  lease.release()
  await server.close(false)
})

describe('a call that waits for a place', () => {
  test('lends its own to others, whose work can end the waiting', async () => {
    const { server } = await crowded(1)
    const admission = roomyAdmission({ maxCalls: 2 })
    const first = await server.acquire('a')
    // As many as there are places for calls wait for a sandbox.
    const waiting = ['b', 'c'].map((user) =>
      admission.run(user, undefined, async (place) => {
        const lease = await server.acquire(user, { place })
        lease.release()
        return user
      }),
    )
    await settle()
    expect(admission.running).toBe(0)
    // The one who holds the sandbox comes through, and makes room.
    await admission.run('a', undefined, () => Promise.resolve(first.release()))
    expect(await Promise.all(waiting)).toEqual(['b', 'c'])
    expect(admission.running).toBe(0)
    await server.close(false)
  })
})
