import { afterEach, describe, expect, test, vi } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { failureOf } from '../../helpers/failure.ts'
import { settle } from '../../helpers/pass-time.ts'
import { registryLab } from '../../helpers/registry-lab.ts'

afterEach(() => vi.useRealTimers())

const ADA = 'ada'

describe('a start that fails', () => {
  test.each(['containers.inspect', 'containers.create', 'containers.start', 'containers.openStream', 'volumes.ensure'])(
    'at %s is told, forgotten, and tried again',
    async (method) => {
      const lab = await registryLab()
      const server = lab.server()
      lab.engine.fail(method, new SandboxError('engine_unreachable', 'nobody answers'))
      const failures = await Promise.all([failureOf(server.acquire(ADA)), failureOf(server.acquire(ADA))])
      for (const failure of failures) expect(failure).toMatchObject({ code: 'engine_unreachable' })
      lab.engine.heal()
      await expect(server.acquire(ADA)).resolves.toBeDefined()
    },
  )

  test('leaves no container behind that can never start', async () => {
    const lab = await registryLab()
    const server = lab.server()
    lab.engine.fail('containers.start', new SandboxError('engine_failed', 'exec: no such file'))
    await expect(server.acquire(ADA)).rejects.toMatchObject({ code: 'engine_failed' })
    lab.engine.heal()
    expect(await lab.container(ADA)).toBeUndefined()
    expect((await server.acquire(ADA)).notice).toBe('resumed')
  })

  test('because the image was removed meanwhile looks for the image again, once', async () => {
    const lab = await registryLab()
    let known = { ...lab.runtime, imageId: `sha256:${'0'.repeat(64)}` }
    const forgetRuntime = vi.fn<() => void>(() => (known = lab.runtime))
    const lease = await lab.server({ runtime: () => Promise.resolve(known), forgetRuntime }).acquire(ADA)
    expect(lease.notice).toBe('created')
    expect(forgetRuntime).toHaveBeenCalledTimes(1)
    const gone = lab.server({ runtime: () => Promise.resolve({ ...lab.runtime, imageId: 'sha256:1' }), forgetRuntime })
    await expect(gone.acquire('grace')).rejects.toMatchObject({ code: 'image_unavailable' })
    expect(forgetRuntime).toHaveBeenCalledTimes(2)
  })

  test('because the image is missing is told', async () => {
    const lab = await registryLab()
    const runtime = () => Promise.reject(new SandboxError('image_unavailable', 'no image'))
    await expect(lab.server({ runtime }).acquire(ADA)).rejects.toMatchObject({ code: 'image_unavailable' })
  })

  test('releases its lease', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    lab.engine.fail('containers.create', new SandboxError('engine_failed', 'x'))
    await expect(server.acquire('a')).rejects.toMatchObject({ code: 'engine_failed' })
    lab.engine.heal()
    await expect(server.acquire('b')).resolves.toBeDefined()
  })

  test('goes on when the only one who waits gives up', async () => {
    const lab = await registryLab()
    const image = deferred<void>()
    const server = lab.server({ runtime: () => image.promise.then(() => lab.runtime) })
    const controller = new AbortController()
    const failure = failureOf(server.acquire(ADA, { signal: controller.signal }))
    await settle()
    controller.abort(new Error('too slow'))
    expect(await failure).toMatchObject({ message: 'too slow' })
    image.resolve()
    await settle()
    expect(lab.calls('containers.create')).toBe(1)
    expect((await server.acquire(ADA)).notice).toBe('created')
    expect(lab.calls('containers.create')).toBe(1)
  })

  test('to answer in 45 s is told as still starting, and is found done later', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const lab = await registryLab()
    const image = deferred<void>()
    const server = lab.server({ runtime: () => image.promise.then(() => lab.runtime) })
    const failure = failureOf(server.acquire(ADA))
    await vi.advanceTimersByTimeAsync(45_000)
    expect(await failure).toMatchObject({ code: 'sandbox_starting' })
    image.resolve()
    await settle()
    expect(lab.calls('containers.create')).toBe(1)
    await server.acquire(ADA)
    expect(lab.calls('containers.create')).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
  })
})
