import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { settle } from '../../helpers/pass-time.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'
import { registryLab, type ServerOverrides } from '../../helpers/registry-lab.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => void vi.useRealTimers())

const ADA = 'ada'
const FREEZE_MS = 10_000
const EVICT_MS = 60_000

async function passTime(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  await settle()
}

/** A server that freezes, and a user who has used it once. */
async function freezingLab(overrides: ServerOverrides = {}) {
  const lab = await registryLab()
  const { telemetry, told } = recordingTelemetry()
  const server = lab.server({ freezeAfterMs: FREEZE_MS, idleTimeoutMs: EVICT_MS, telemetry, ...overrides })
  ;(await server.acquire(ADA)).release()
  const stateOf = async (user = ADA) => (await lab.container(user))?.state
  const untilFrozen = () => passTime(FREEZE_MS + FREEZE_MS / 4)
  return { lab, server, told, stateOf, untilFrozen }
}

describe('a sandbox that nobody uses', () => {
  test('is frozen, and thawed by the next call over the same connection, which is told', async () => {
    const { lab, server, told, stateOf, untilFrozen } = await freezingLab()
    await passTime(FREEZE_MS - 1000)
    expect(await stateOf()).toBe('running')
    await untilFrozen()
    expect(await stateOf()).toBe('paused')
    expect(server.states()).toEqual({ starting: 0, in_use: 0, idle: 0, frozen: 1 })
    const leases = await Promise.all([server.acquire(ADA), server.acquire(ADA)])
    expect(leases.map(({ notice }) => notice)).toEqual(['thawed', 'thawed'])
    expect((await server.acquire(ADA)).notice).toBeUndefined()
    expect(await stateOf()).toBe('running')
    expect(lab.calls('containers.openStream')).toBe(1)
    expect(lab.calls('containers.unpause')).toBe(1)
    expect(told).toContainEqual(['sandboxFrozen'])
    expect(told).toContainEqual(['sandboxStart', 'thawed'])
    await server.close(false)
  })

  test('is frozen, then evicted when its idle timeout has passed since its last use', async () => {
    const { lab, server, stateOf, untilFrozen } = await freezingLab()
    await untilFrozen()
    const order: string[] = []
    lab.onQuiesce = () => void order.push('quiesce')
    await passTime(EVICT_MS - FREEZE_MS - FREEZE_MS / 4 - 1)
    expect(await stateOf()).toBe('paused')
    await passTime(FREEZE_MS)
    expect(await stateOf()).toBeUndefined()
    expect(order).toEqual(['quiesce'])
    expect(lab.engine.calls.slice(lab.engine.calls.lastIndexOf('containers.unpause'))).toContain('containers.remove')
    expect((await server.acquire(ADA)).notice).toBe('resumed')
    await server.close(false)
  })

  test('is not frozen while there is a lease, or while a command of any server runs', async () => {
    const { lab, server, stateOf, untilFrozen } = await freezingLab()
    const lease = await server.acquire(ADA)
    await untilFrozen()
    expect(await stateOf()).toBe('running')
    lease.release()
    ;(await lab.supervisorOf(ADA)).running = 1
    await untilFrozen()
    expect(await stateOf()).toBe('running')
    expect(lab.calls('containers.pause')).toBe(0)
    await server.close(false)
  })

  test('of a session without a user is neither frozen nor evicted', async () => {
    const { lab, server } = await freezingLab()
    const { user } = server.anonymousUser()
    ;(await server.acquire(user)).release()
    await passTime(EVICT_MS * 2)
    expect((await lab.engine.containers.list({})).map(({ state }) => state)).toEqual(['running'])
    await server.close(false)
  })
})

describe('a call that comes while a sandbox', () => {
  test('is being frozen waits, and thaws it', async () => {
    const { lab, server, stateOf, untilFrozen } = await freezingLab()
    const answered = deferred<void>()
    lab.onQuiesce = () => answered.promise
    await untilFrozen()
    lab.onQuiesce = undefined
    const acquiring = server.acquire(ADA)
    answered.resolve()
    expect((await acquiring).notice).toBe('thawed')
    expect(await stateOf()).toBe('running')
    await server.close(false)
  })

  test('would be frozen, but is not after all, goes on as if nothing had been', async () => {
    const { lab, server, stateOf, untilFrozen } = await freezingLab()
    ;(await lab.supervisorOf(ADA)).running = 1
    const answered = deferred<void>()
    lab.onQuiesce = () => answered.promise
    await untilFrozen()
    const acquiring = server.acquire(ADA)
    answered.resolve()
    expect((await acquiring).notice).toBeUndefined()
    expect(await stateOf()).toBe('running')
    await server.close(false)
  })

  test('goes from frozen to evicted waits, and finds it made anew', async () => {
    const { lab, server, untilFrozen } = await freezingLab()
    await untilFrozen()
    const answered = deferred<void>()
    lab.onQuiesce = () => answered.promise
    await passTime(EVICT_MS - FREEZE_MS)
    lab.onQuiesce = undefined
    const acquiring = server.acquire(ADA)
    answered.resolve()
    expect((await acquiring).notice).toBe('resumed')
    await server.close(false)
  })

  test('was removed while it was frozen makes it anew', async () => {
    const { lab, server, untilFrozen } = await freezingLab()
    await untilFrozen()
    const before = await lab.container(ADA)
    lab.engine.kill(before?.id ?? '')
    await settle()
    expect((await server.acquire(ADA)).notice).toBe('resumed')
    expect((await lab.container(ADA))?.id).not.toBe(before?.id)
    await server.close(false)
  })

  test('cannot be thawed fails with what is wrong, and the next one thaws it', async () => {
    const { lab, server, stateOf, untilFrozen } = await freezingLab()
    await untilFrozen()
    lab.engine.fail('containers.unpause', new SandboxError('engine_unreachable', 'nobody answers'))
    await expect(server.acquire(ADA)).rejects.toMatchObject({ code: 'engine_unreachable' })
    lab.engine.heal()
    expect((await server.acquire(ADA)).notice).toBe('thawed')
    expect(await stateOf()).toBe('running')
    await server.close(false)
  })
})

describe('freezing that fails', () => {
  test('leaves the sandbox usable', async () => {
    const { lab, server, stateOf, untilFrozen } = await freezingLab()
    lab.engine.fail('containers.pause', new SandboxError('engine_failed', 'no freezer'))
    await untilFrozen()
    lab.engine.heal()
    expect(await stateOf()).toBe('running')
    expect((await server.acquire(ADA)).notice).toBeUndefined()
    await server.close(false)
  })
})

describe('a frozen sandbox whose eviction is refused', () => {
  test('is left ready, and frozen again when nothing runs in it any more', async () => {
    const { lab, server, stateOf, untilFrozen } = await freezingLab()
    await untilFrozen()
    const state = await lab.supervisorOf(ADA)
    state.running = 1
    await passTime(EVICT_MS)
    expect(await stateOf()).toBe('running')
    expect(server.states()).toMatchObject({ idle: 1, frozen: 0 })
    expect((await server.acquire(ADA)).notice).toBeUndefined()
    await server.close(false)
  })
})

describe('two servers', () => {
  test('with different times do not fight: a call of the other thaws, and its work keeps it awake', async () => {
    const { lab, server, stateOf, untilFrozen } = await freezingLab()
    const other = lab.server()
    await untilFrozen()
    const lease = await other.acquire(ADA)
    expect(lease.notice).toBe('thawed')
    ;(await lab.supervisorOf(ADA)).running = 1
    await passTime(EVICT_MS * 2)
    expect(await stateOf()).toBe('running')
    expect(lab.calls('containers.create')).toBe(1)
    await server.close(false)
    await other.close(false)
  })

  test('find each other’s freezing by the silence of a request, and thaw', async () => {
    const { lab, server, stateOf } = await freezingLab({ freezeAfterMs: 0, idleTimeoutMs: 0 })
    const { sandbox } = await server.acquire(ADA)
    const state = await lab.supervisorOf(ADA)
    // What a frozen supervisor is asked waits.
    const thawed = deferred<void>()
    state.frozen = thawed.promise
    await lab.engine.containers.pause((await lab.container(ADA))?.id ?? '')
    const asking = sandbox.files.stat('/')
    await passTime(3000)
    expect(await stateOf()).toBe('running')
    thawed.resolve()
    await expect(asking).resolves.toBeDefined()
    expect(lab.calls('containers.create')).toBe(1)
    await server.close(false)
  })
})

describe('a server that ends', () => {
  test('thaws what it leaves, so that it can end by itself', async () => {
    const { server, stateOf, untilFrozen } = await freezingLab()
    await untilFrozen()
    await server.close(false)
    expect(await stateOf()).toBe('running')
  })

  test('evicts what is frozen when it is to leave nothing idle', async () => {
    const { lab, server, stateOf, untilFrozen } = await freezingLab()
    await untilFrozen()
    await server.close(true)
    expect(await stateOf()).toBeUndefined()
    expect(lab.calls('containers.unpause')).toBe(1)
  })

  test('without thawing, killed, leaves it to the next, whose first call thaws it', async () => {
    const { lab, stateOf, untilFrozen } = await freezingLab()
    await untilFrozen()
    const next = lab.server()
    expect((await next.acquire(ADA)).notice).toBe('thawed')
    expect(await stateOf()).toBe('running')
    await next.close(false)
  })
})
