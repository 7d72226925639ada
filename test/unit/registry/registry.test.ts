import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { failureOf } from '../../helpers/failure.ts'
import { settle } from '../../helpers/pass-time.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'
import { registryLab } from '../../helpers/registry-lab.ts'

const ADA = 'ada'

describe('at the limit of sandboxes', () => {
  test('the one that was idle longest goes to sleep', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 2 })
    const a = await server.acquire('a')
    const b = await server.acquire('b')
    b.release()
    await new Promise((resolve) => setTimeout(resolve, 2))
    a.release()
    await server.acquire('c')
    expect(await lab.container('b')).toBeUndefined()
    expect(await lab.container('a')).toBeDefined()
    expect(await lab.container('c')).toBeDefined()
  })

  test('a caller is refused while all are in use, and comes through afterwards', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    const leases = [await server.acquire('a'), await server.acquire('a')]
    await expect(server.acquire('b')).rejects.toMatchObject({ code: 'sandbox_limit' })
    leases[0]?.release()
    await expect(server.acquire('b')).rejects.toMatchObject({ code: 'sandbox_limit' })
    leases[1]?.release()
    expect((await server.acquire('b')).notice).toBe('created')
    expect(await lab.container('a')).toBeUndefined()
  })

  test('a sandbox with work in the background is not put to sleep', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    ;(await server.acquire('a')).release()
    ;(await lab.supervisorOf('a')).running = 1
    await expect(server.acquire('b')).rejects.toMatchObject({ code: 'sandbox_limit' })
    expect(await lab.container('a')).toBeDefined()
  })

  test('two new users at once do not both come in', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    const outcomes = await Promise.allSettled([server.acquire('a'), server.acquire('b'), server.acquire('c')])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(await lab.engine.containers.list({})).toHaveLength(1)
  })
})

describe('closing', () => {
  test('leaves the containers, ends the connections, and starts nothing any more', async () => {
    const lab = await registryLab()
    const server = lab.server()
    ;(await server.acquire(ADA)).release()
    await server.close(false)
    expect(await lab.container(ADA)).toMatchObject({ state: 'running' })
    const [connection] = (await lab.supervisorOf(ADA)).connections
    await connection?.closed()
    await expect(server.acquire(ADA)).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('puts idle ones to sleep when asked to, and leaves the others', async () => {
    const lab = await registryLab()
    const server = lab.server()
    ;(await server.acquire('idle')).release()
    ;(await server.acquire('busy')).release()
    ;(await lab.supervisorOf('busy')).running = 1
    await server.close(true)
    expect(await lab.container('idle')).toBeUndefined()
    expect(await lab.container('busy')).toBeDefined()
  })

  test('during a start ends its connection when it comes', async () => {
    const lab = await registryLab()
    const image = deferred<void>()
    const server = lab.server({ runtime: () => image.promise.then(() => lab.runtime) })
    const failure = failureOf(server.acquire(ADA))
    await settle()
    await server.close(false)
    image.resolve()
    expect(await failure).toMatchObject({ code: 'cancelled' })
    await settle()
    const [connection] = (await lab.supervisorOf(ADA)).connections
    await connection?.closed()
  })
})

describe('what is told of sandboxes', () => {
  test('is each start by how it came about, each eviction by why, and how many there are', async () => {
    const lab = await registryLab()
    const { telemetry, told } = recordingTelemetry()
    const server = lab.server({ maxRunning: 1, telemetry })
    expect(server.states()).toEqual({ starting: 0, in_use: 0, idle: 0, frozen: 0 })
    const starting = server.acquire('a')
    await Promise.resolve()
    expect(server.states()).toEqual({ starting: 1, in_use: 0, idle: 0, frozen: 0 })
    const lease = await starting
    expect(server.states()).toEqual({ starting: 0, in_use: 1, idle: 0, frozen: 0 })
    lease.release()
    expect(server.states()).toEqual({ starting: 0, in_use: 0, idle: 1, frozen: 0 })
    await new Promise((resolve) => setTimeout(resolve, 2))
    ;(await server.acquire('b')).release()
    await server.close(true)
    const second = lab.server({ telemetry })
    ;(await second.acquire('b')).release()
    await second.close(false)
    const third = lab.server({ telemetry })
    await third.acquire('b')
    lab.engine.fail('*', new SandboxError('engine_unreachable', 'It does not answer.'))
    await expect(third.acquire('c')).rejects.toMatchObject({ code: 'engine_unreachable' })
    expect(told).toEqual([
      ['sandboxStart', 'created'],
      ['roomWaited'],
      ['sandboxEvicted', 'room'],
      ['sandboxStart', 'created'],
      ['sandboxEvicted', 'exit'],
      ['sandboxStart', 'resumed'],
      ['sandboxStart', 'found'],
      ['sandboxStart', 'engine_unreachable'],
    ])
  })
})
