import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { LABEL } from '../../../src/registry/identity.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { labIdentity, registryLab } from '../../helpers/registry-lab.ts'

const ADA = 'ada'

describe('managing a sandbox', () => {
  test('a restart makes a new container on the same volume, and the next call is told', async () => {
    const lab = await registryLab()
    const server = lab.server()
    ;(await server.acquire(ADA)).release()
    const before = await lab.container(ADA)
    expect(await server.control(ADA).restart({})).toBe('test')
    expect((await lab.container(ADA))?.id).not.toBe(before?.id)
    expect(await lab.engine.volumes.inspect(labIdentity(ADA).volumeName)).toBeDefined()
    expect(lab.calls('volumes.remove')).toBe(0)
  })

  test('starting over makes a new volume too', async () => {
    const lab = await registryLab()
    const server = lab.server()
    ;(await server.acquire(ADA)).release()
    await server.control(ADA).startOver({})
    expect(lab.calls('volumes.remove')).toBe(1)
    expect(await lab.engine.volumes.inspect(labIdentity(ADA).volumeName)).toBeDefined()
  })

  test('the chosen runtime holds for other servers and after an eviction, before the operator’s', async () => {
    const lab = await registryLab()
    const server = lab.server()
    expect(await server.control(ADA).useRuntime('other', {})).toBe('other')
    const { containerName } = labIdentity(ADA)
    await lab.engine.containers.remove(containerName)
    const lease = await lab.server().acquire(ADA)
    expect(lease.sandbox.facts.runtime).toBe('other')
    expect((await lab.container(ADA))?.labels[LABEL.runtime]).toBe('other')
    expect((await lab.server().acquire('bob')).sandbox.facts.runtime).toBe('test')
  })

  test('a chosen runtime that is no longer there gives way to the operator’s', async () => {
    const lab = await registryLab()
    await lab.server().control(ADA).useRuntime('other', {})
    const lease = await lab.server({ runtimes: ['test'] }).acquire(ADA)
    expect(lease.sandbox.facts.runtime).toBe('test')
  })

  test('another setting of the operator’s waits until the sandbox is started again', async () => {
    const lab = await registryLab()
    await lab.server().acquire(ADA)
    const before = await lab.container(ADA)
    const changed = lab.server({ runtimeOf: () => 'other' })
    expect((await changed.acquire(ADA)).sandbox.facts.runtime).toBe('test')
    expect((await lab.container(ADA))?.id).toBe(before?.id)
  })

  test('an unknown runtime, or one whose image cannot be had, costs nobody their sandbox', async () => {
    const lab = await registryLab()
    const failing = new SandboxError('image_unavailable', 'no')
    const server = lab.server({
      runtime: (name) => (name === 'other' ? Promise.reject(failing) : Promise.resolve({ ...lab.runtime, name })),
    })
    await server.acquire(ADA)
    const before = await lab.container(ADA)
    const error = await expectCode(server.control(ADA).useRuntime('debian:bookworm', {}), 'invalid_argument')
    expect(error.hint).toBe('Known runtimes: test, other.')
    await expectCode(server.control(ADA).useRuntime('other', {}), 'image_unavailable')
    expect((await lab.container(ADA))?.id).toBe(before?.id)
    expect(lab.calls('containers.remove')).toBe(0)
  })

  test('destroying removes container, files and choice, of a sleeping sandbox too', async () => {
    const lab = await registryLab()
    await lab.server().control(ADA).useRuntime('other', {})
    await lab.server().control(ADA).destroy({})
    expect(await lab.engine.containers.list({})).toEqual([])
    expect(await lab.engine.volumes.list({})).toEqual([])
    await lab.server().control(ADA).destroy({})
    expect((await lab.server().acquire(ADA)).notice).toBe('created')
  })

  test('what carries the name without being ours is left alone', async () => {
    const lab = await registryLab()
    const { volumeName, choiceName } = labIdentity(ADA)
    await lab.engine.volumes.ensure(volumeName, { other: 'x' })
    await expectCode(lab.server().control(ADA).destroy({}), 'engine_failed')
    await lab.engine.volumes.remove(volumeName)
    await lab.engine.volumes.ensure(choiceName, { other: 'x' })
    await expectCode(lab.server().control(ADA).destroy({}), 'engine_failed')
    await expectCode(lab.server().acquire(ADA), 'engine_failed')
    expect(await lab.engine.volumes.inspect(choiceName)).toBeDefined()
  })

  test('a change waits for the start under way, and a start for the change', async () => {
    const lab = await registryLab()
    const [asked, image] = [deferred<void>(), deferred<void>()]
    const server = lab.server({
      runtime: (name) => {
        asked.resolve()
        return image.promise.then(() => ({ ...lab.runtime, name }))
      },
    })
    const lease = server.acquire(ADA)
    await asked.promise
    const destroyed = server.control(ADA).destroy({})
    image.resolve()
    await lease
    const after = destroyed.then(() => server.acquire(ADA))
    await destroyed
    expect((await after).notice).toBe('created')
    expect(await lab.container(ADA)).toMatchObject({ state: 'running' })
  })
})
