import { expect, test, vi } from 'vitest'
import { callContainerLabels } from '../../../../src/registry/modes/call-containers.ts'
import { type SandboxIdentity, volumeLabels } from '../../../../src/registry/identity.ts'
import { type Owner, replaceOwner, resolveOwner } from '../../../../src/registry/owner.ts'
import type { Registry } from '../../../../src/registry/registry.ts'
import { labIdentity, type RegistryLab, registryLab, TEST_PROFILE } from '../../../helpers/registry-lab.ts'

const INSTALLATION = 'test'

function ephemeralServer(lab: RegistryLab, overrides: Parameters<RegistryLab['server']>[0] = {}): Registry {
  const of = () => ({ ...TEST_PROFILE, mode: { name: 'ephemeral' as const } })
  return lab.server({ profiles: { of, named: [], shortestIdleMs: 0 }, ...overrides })
}

async function callContainers(lab: RegistryLab): Promise<readonly string[]> {
  return (await lab.engine.containers.list(callContainerLabels(INSTALLATION))).map(({ id }) => id)
}

/** The containers once there are so many. */
async function settled(lab: RegistryLab, count: number): Promise<readonly string[]> {
  return await vi.waitFor(async () => {
    const now = await callContainers(lab)
    expect(now).toHaveLength(count)
    return now
  })
}

/** A user, ada, who has files, and no server. */
async function asleep(): Promise<RegistryLab> {
  const lab = await registryLab()
  const server = ephemeralServer(lab)
  ;(await server.acquire('ada')).release()
  await server.close(false)
  return lab
}

/** Lets somebody else change whose the files are right before the next container of ada's is made. */
function beforeContainer(lab: RegistryLab, change: (before: Owner, identity: SandboxIdentity) => Promise<void>): void {
  const create = lab.engine.containers.create.bind(lab.engine.containers)
  vi.spyOn(lab.engine.containers, 'create').mockImplementationOnce(async (spec, call) => {
    const identity = labIdentity('ada')
    await change(await resolveOwner(lab.engine, identity), identity)
    return await create(spec, call)
  })
}

test('each lease has a container of its own, over the user’s one volume, and it goes with the lease', async () => {
  const lab = await registryLab()
  const server = ephemeralServer(lab, { maxRunning: 2 })
  const [one, two] = await Promise.all([server.acquire('ada'), server.acquire('ada')])
  const ids = await callContainers(lab)
  expect(ids).toHaveLength(2)
  expect(one.sandbox.facts.mode).toBe('ephemeral')
  const details = await Promise.all(ids.map((id) => lab.engine.containers.inspect(id)))
  expect(new Set(details.map((each) => each?.effective.mounts[0]?.name)).size).toBe(1)
  // Nobody takes one for the user's sandbox.
  expect(await lab.container('ada')).toBeUndefined()
  one.release()
  one.release()
  await settled(lab, 1)
  two.release()
  await server.close(false)
  expect(await callContainers(lab)).toEqual([])
})

test('what is ready for the next call was made after the one before, is used once, and goes with the server', async () => {
  const lab = await registryLab()
  const server = ephemeralServer(lab)
  ;(await server.acquire('ada')).release()
  const [standby] = await vi.waitFor(async () => {
    expect(server.states()).toMatchObject({ in_use: 0, idle: 1 })
    return await settled(lab, 1)
  })
  const created = lab.calls('containers.create')
  const next = await server.acquire('ada')
  expect(lab.calls('containers.create')).toBe(created)
  expect(await callContainers(lab)).toEqual([standby])
  next.release()
  await vi.waitFor(async () => expect(await callContainers(lab)).not.toContain(standby))
  await server.close(false)
  expect(await callContainers(lab)).toEqual([])
})

test('each container takes a place: a call beyond them waits for one that ends', async () => {
  const lab = await registryLab()
  const server = ephemeralServer(lab, { maxRunning: 1, queueTimeoutMs: 60_000 })
  const first = await server.acquire('ada')
  let isServed = false
  const second = server.acquire('ada').then((lease) => {
    isServed = true
    return lease
  })
  await Promise.resolve()
  expect(isServed).toBe(false)
  first.release()
  ;(await second).release()
  await server.close(false)
})

test('what a killed server left goes after the second look that finds nobody at it, and another’s stays', async () => {
  const lab = await registryLab()
  const alive = ephemeralServer(lab, { maxRunning: 2 })
  const held = await alive.acquire('ada')
  const [kept] = await callContainers(lab)
  const details = await lab.engine.containers.inspect(kept ?? '')
  const killed = await lab.engine.containers.create({
    ...(await specLike(lab)),
    labels: details?.labels ?? {},
  })
  const other = lab.server()
  expect(await other.lookForLeftovers()).toMatchObject({ removed: 0, suspects: 1 })
  expect(await other.lookForLeftovers()).toMatchObject({ removed: 1, suspects: 0 })
  expect(await callContainers(lab)).toEqual([kept])
  expect(killed.id).not.toBe(kept)
  held.release()
  await Promise.all([alive.close(false), other.close(false)])
})

async function specLike(lab: RegistryLab) {
  const { containerSpec } = await import('../../../helpers/specs.ts')
  return containerSpec({ name: 'killed', image: lab.runtime.tag })
}

test('a runtime’s definition may ask for it; what is said of the user comes first', async () => {
  const lab = await registryLab()
  const runtimeModes = new Map([['test', 'ephemeral' as const]])
  const byRuntime = lab.server({ runtimeModes })
  const lease = await byRuntime.acquire('ada')
  expect(lease.sandbox.facts.mode).toBe('ephemeral')
  lease.release()
  await byRuntime.close(false)
  const persistent = lab.server({
    runtimeModes,
    profiles: {
      of: () => ({ ...TEST_PROFILE, mode: { name: 'persistent' as const } }),
      named: [],
      shortestIdleMs: 0,
    },
  })
  expect((await persistent.acquire('bob')).sandbox.facts.mode).toBe('persistent')
  expect((await lab.container('bob'))?.state).toBe('running')
  await persistent.close(false)
})

test('a call runs on the files that are the user’s when its container is there, not on those of a moment before', async () => {
  const lab = await asleep()
  beforeContainer(lab, async (before, identity) => {
    // Somebody restores a backup at this moment.
    const restored = await lab.engine.volumes.ensure('restored', volumeLabels(identity, 1_100_001))
    await replaceOwner(lab.engine, before, { workspace: restored.name })
  })
  const again = ephemeralServer(lab)
  const lease = await again.acquire('ada')
  const mounts = await Promise.all(
    (await callContainers(lab)).map(async (id) => (await lab.engine.containers.inspect(id))?.effective.mounts[0]?.name),
  )
  expect(mounts).toEqual(['restored'])
  lease.release()
  await again.close(false)
})

test('a call on files that somebody begins to archive calls that off before it starts', async () => {
  const lab = await asleep()
  beforeContainer(lab, async (before) => {
    await replaceOwner(lab.engine, before, { workspace: before.volumeName, archiving: 'by another server' })
  })
  const start = vi.spyOn(lab.engine.containers, 'start')
  start.mockImplementationOnce(async () => {
    expect(await resolveOwner(lab.engine, labIdentity('ada'))).toMatchObject({ archiving: undefined })
    start.mockRestore()
    throw new Error('started')
  })
  const again = ephemeralServer(lab)
  await expect(again.acquire('ada')).rejects.toThrow('started')
  await again.close(false)
})
