import { afterEach, describe, expect, test, vi } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { settle } from '../../helpers/pass-time.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'
import { labIdentity, registryLab } from '../../helpers/registry-lab.ts'

afterEach(() => vi.useRealTimers())

const ADA = 'ada'

describe('an eviction', () => {
  /** A server that looks for idle sandboxes; time is the test's. */
  async function idleLab() {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
    const lab = await registryLab()
    const { telemetry, told } = recordingTelemetry()
    const server = lab.server({ idleTimeoutMs: 60_000, telemetry })
    return { lab, server, told }
  }

  async function passTime(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms)
    await settle()
  }

  test('removes the container of a sandbox that nobody uses, and keeps its files', async () => {
    const { lab, server, told } = await idleLab()
    ;(await server.acquire(ADA)).release()
    await passTime(45_000)
    expect(await lab.container(ADA)).toBeDefined()
    await passTime(31_000)
    expect(await lab.container(ADA)).toBeUndefined()
    expect(told).toContainEqual(['sandboxEvicted', 'idle'])
    expect(await lab.engine.volumes.inspect(labIdentity(ADA).volumeName)).toBeDefined()
    expect((await server.acquire(ADA)).notice).toBe('resumed')
    await server.close(false)
  })

  test('does not come while there is a lease; a lease given back twice counts once', async () => {
    const { lab, server } = await idleLab()
    const [first] = [await server.acquire(ADA), await server.acquire(ADA)]
    first.release()
    first.release()
    await passTime(200_000)
    expect(await lab.container(ADA)).toBeDefined()
    await server.close(false)
  })

  test('is refused by the supervisor while a command of another server runs', async () => {
    const { lab, server } = await idleLab()
    ;(await server.acquire(ADA)).release()
    const state = await lab.supervisorOf(ADA)
    state.running = 1
    await passTime(200_000)
    expect(await lab.container(ADA)).toBeDefined()
    expect((await server.acquire(ADA)).notice).toBeUndefined()
    await server.close(false)
  })

  test('makes a call that comes meanwhile wait, and then wakes the sandbox', async () => {
    const { lab, server } = await idleLab()
    ;(await server.acquire(ADA)).release()
    const before = await lab.container(ADA)
    const answered = deferred<void>()
    lab.onQuiesce = () => answered.promise
    await passTime(61_000)
    let isThere = false
    const acquiring = server.acquire(ADA).then((lease) => {
      isThere = true
      return lease
    })
    await settle()
    expect(isThere).toBe(false)
    answered.resolve()
    expect((await acquiring).notice).toBe('resumed')
    expect((await lab.container(ADA))?.id).not.toBe(before?.id)
    await server.close(false)
  })

  test('that is refused lets a call that waited go on over the same connection', async () => {
    const { lab, server } = await idleLab()
    ;(await server.acquire(ADA)).release()
    const state = await lab.supervisorOf(ADA)
    state.running = 1
    const answered = deferred<void>()
    lab.onQuiesce = () => answered.promise
    await passTime(61_000)
    const acquiring = server.acquire(ADA)
    await settle()
    answered.resolve()
    expect((await acquiring).notice).toBeUndefined()
    expect(state.connections.size).toBe(1)
    await server.close(false)
  })

  test('by another server makes a request wait for the new container', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const { sandbox } = await server.acquire(ADA)
    const state = await lab.supervisorOf(ADA)
    state.held = true
    const asking = sandbox.files.stat('/')
    await vi.waitFor(() => {
      const [connection] = state.connections
      expect(connection?.received.length).toBeGreaterThan(2)
    })
    await lab.engine.containers.remove((await lab.container(ADA))?.id ?? '')
    await expect(asking).resolves.toMatchObject({ type: 'file' })
    expect(lab.calls('containers.create')).toBe(2)
  })

  test('that fails leaves the sandbox usable', async () => {
    const { lab, server } = await idleLab()
    ;(await server.acquire(ADA)).release()
    lab.engine.fail('containers.remove', new SandboxError('engine_failed', 'busy'))
    await passTime(76_000)
    lab.engine.heal()
    expect((await server.acquire(ADA)).notice).toBeUndefined()
    await server.close(false)
  })
})
