import { describe, expect, test } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { LABEL } from '../../../src/registry/identity.ts'
import { settle } from '../../helpers/pass-time.ts'
import { labIdentity, registryLab } from '../../helpers/registry-lab.ts'

const ADA = 'ada'

describe('a first call', () => {
  test('makes the volume and the container, and says so', async () => {
    const lab = await registryLab()
    const { notice, sandbox } = await lab.server().acquire(ADA)
    expect(notice).toBe('created')
    expect(sandbox.facts).toMatchObject({ runtime: 'test', workspace: '/workspace', network: 'none' })
    expect(sandbox.facts.env).toMatchObject({ CI: '1', PATH: expect.stringContaining(':/usr/bin:/bin:') })
    expect(await lab.container(ADA)).toMatchObject({ state: 'running' })
    expect(await lab.engine.volumes.inspect(labIdentity(ADA).volumeName)).toMatchObject({
      labels: { [LABEL.role]: 'workspace' },
    })
  })

  test('of fifty at once makes one container', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const leases = await Promise.all(Array.from({ length: 50 }, () => server.acquire(ADA)))
    expect(lab.calls('containers.create')).toBe(1)
    expect(lab.calls('containers.openStream')).toBe(1)
    expect(new Set(leases.map(({ sandbox }) => sandbox)).size).toBe(1)
    expect((await server.acquire(ADA)).notice).toBeUndefined()
  })

  test('of ten servers at once makes one container, which the others adopt', async () => {
    const lab = await registryLab()
    const leases = await Promise.all(Array.from({ length: 10 }, () => lab.server().acquire(ADA)))
    expect(leases.map(({ notice }) => notice).filter((notice) => notice !== undefined)).toEqual(['created'])
    expect(await lab.engine.containers.list({})).toHaveLength(1)
    expect((await lab.supervisorOf(ADA)).connections.size).toBe(10)
  })

  test('of two users makes two', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const [a, b] = await Promise.all([server.acquire('a'), server.acquire('b')])
    expect(a.sandbox).not.toBe(b.sandbox)
    expect(await lab.engine.containers.list({})).toHaveLength(2)
    expect(await lab.engine.volumes.list({ [LABEL.role]: 'workspace' })).toHaveLength(2)
  })

  test('tells what is being done', async () => {
    const lab = await registryLab()
    const texts: string[] = []
    await lab.server().acquire(ADA, { onProgress: (text) => texts.push(text) })
    expect(texts).toEqual(['starting the sandbox'])
  })

  test('of a user whose name is no Unicode is refused', async () => {
    const lab = await registryLab()
    await expect(lab.server().acquire('\ud800')).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('a lease on a sandbox as it is', () => {
  test('is not given to a user who has none, and creates nothing', async () => {
    const lab = await registryLab()
    const server = lab.server()
    expect(await server.acquireExisting(ADA, { wake: false })).toBeUndefined()
    expect(await server.acquireExisting(ADA, { wake: true })).toBeUndefined()
    expect(await lab.engine.containers.list({})).toEqual([])
    expect(await lab.engine.volumes.list({})).toEqual([])
  })

  test('asks the engine nothing while the sandbox is connected, and blocks its eviction', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    ;(await server.acquire(ADA)).release()
    const before = lab.engine.calls.length
    const lease = await server.acquireExisting(ADA, { wake: false })
    expect(lease?.notice).toBeUndefined()
    expect(lab.engine.calls).toHaveLength(before)
    await expect(server.acquire('b')).rejects.toMatchObject({ code: 'sandbox_limit' })
    lease?.release()
    expect((await server.acquire('b')).notice).toBe('created')
  })

  test('adopts a sandbox that runs for another server', async () => {
    const lab = await registryLab()
    ;(await lab.server().acquire(ADA)).release()
    expect(await lab.server().acquireExisting(ADA, { wake: false })).toBeDefined()
    expect(lab.calls('containers.create')).toBe(1)
  })

  test('wakes one that sleeps only when asked to', async () => {
    const lab = await registryLab()
    const server = lab.server()
    ;(await server.acquire(ADA)).release()
    await lab.engine.containers.remove(labIdentity(ADA).containerName)
    await settle()
    expect(await server.acquireExisting(ADA, { wake: false })).toBeUndefined()
    expect(await lab.container(ADA)).toBeUndefined()
    expect(await server.acquireExisting(ADA, { wake: true })).toMatchObject({ notice: 'resumed' })
  })

  test('is not given while the sandbox is being put to sleep, unless it is to be woken', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    ;(await server.acquire(ADA)).release()
    await new Promise((resolve) => setTimeout(resolve, 2))
    const quiesced = deferred<void>()
    lab.onQuiesce = () => quiesced.promise
    const other = server.acquire('b')
    await settle()
    expect(await server.acquireExisting(ADA, { wake: false })).toBeUndefined()
    quiesced.resolve()
    expect((await other).notice).toBe('created')
    expect(await lab.container(ADA)).toBeUndefined()
  })
})
