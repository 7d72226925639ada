import { describe, expect, test } from 'vitest'
import type { Archiver } from '../../../src/registry/archiver.ts'
import { LABEL, volumeLabels } from '../../../src/registry/identity.ts'
import { ensureOwner, replaceOwner, resolveOwner } from '../../../src/registry/owner.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { labIdentity, makeSlot, registryLab, type RegistryLab } from '../../helpers/registry-lab.ts'

const ada = labIdentity('ada')

/** A user whose sandbox was a slot. */
async function slotted(): Promise<{ lab: RegistryLab; slot: string }> {
  const lab = await registryLab()
  const slot = await makeSlot(lab)
  await ensureOwner(lab.engine, ada, { workspace: slot, container: slot })
  return { lab, slot }
}

/** A user whose files are in a backup. */
async function archived(): Promise<RegistryLab> {
  const lab = await registryLab()
  const owner = await ensureOwner(lab.engine, ada, { workspace: ada.volumeName })
  await replaceOwner(lab.engine, owner, { workspace: ada.volumeName, archive: 'b1' })
  return lab
}

describe('a user whose sandbox was a slot', () => {
  test('gets it as it runs, from any server', async () => {
    const { lab, slot } = await slotted()
    const leases = await Promise.all(Array.from({ length: 3 }, () => lab.server().acquire('ada')))
    expect(leases.map(({ notice }) => notice)).toEqual([undefined, undefined, undefined])
    expect((await lab.container('ada'))?.name).toBe(slot)
    expect(lab.calls('containers.create')).toBe(1)
  })

  test('gets a container of their own on the same volume, as the same uid, when the slot is gone', async () => {
    const { lab, slot } = await slotted()
    await lab.engine.containers.remove(slot)
    expect((await lab.server().acquire('ada')).notice).toBe('resumed')
    const container = await lab.container('ada')
    expect(container).toMatchObject({ name: ada.containerName, labels: { [LABEL.uid]: '1100007' } })
    expect(container?.effective.mounts).toMatchObject([{ name: slot }])
  })

  test('is found while it runs, and by its files when it sleeps', async () => {
    const { lab, slot } = await slotted()
    expect(await lab.server().acquireExisting('ada', { wake: false })).toBeDefined()
    await lab.engine.containers.remove(slot)
    expect(await lab.server().acquireExisting('ada', { wake: false })).toBeUndefined()
    expect(await lab.server().acquireExisting('ada', { wake: true })).toBeDefined()
  })

  test('loses container, files and record when they are destroyed, and is new then', async () => {
    const { lab } = await slotted()
    const server = lab.server()
    ;(await server.acquire('ada')).release()
    await server.control('ada').destroy({})
    expect(await lab.engine.containers.list({})).toEqual([])
    expect(await lab.engine.volumes.list({})).toEqual([])
    expect((await lab.server().acquire('ada')).notice).toBe('created')
  })

  test('starts over with another volume, under the same record', async () => {
    const { lab, slot } = await slotted()
    const server = lab.server()
    await server.control('ada').startOver({})
    expect(await resolveOwner(lab.engine, ada)).toMatchObject({ volumeName: slot, generation: 1 })
    expect((await lab.engine.volumes.inspect(slot))?.labels[LABEL.role]).toBe('workspace')
  })

  test('keeps everything when a server removes what has ended', async () => {
    const { lab, slot } = await slotted()
    lab.engine.kill(slot)
    expect(await lab.server().look()).toMatchObject({ ended: 1 })
    expect(await lab.engine.volumes.inspect(slot)).toBeDefined()
    expect((await lab.server().acquire('ada')).notice).toBe('resumed')
  })
})

test('a session without a user that had a slot leaves nothing when its server was killed', async () => {
  const lab = await registryLab()
  const slot = await makeSlot(lab)
  await ensureOwner(lab.engine, labIdentity('nobody', true), { workspace: slot, container: slot })
  const next = lab.server()
  expect(await next.lookForLeftovers()).toEqual({ removed: 0, thawed: 0, suspects: 1 })
  expect(await next.lookForLeftovers()).toEqual({ removed: 1, thawed: 0, suspects: 0 })
  expect(await lab.engine.containers.list({})).toEqual([])
  expect(await lab.engine.volumes.list({})).toEqual([])
})

test('of ten servers that meet a new user at once all agree on one workspace, also with one that gives a slot', async () => {
  const lab = await registryLab()
  const slot = await makeSlot(lab)
  const claim = ensureOwner(lab.engine, ada, { workspace: slot, container: slot })
  await Promise.all([claim, ...Array.from({ length: 10 }, () => lab.server().acquire('ada'))])
  const { volumeName } = await resolveOwner(lab.engine, ada)
  const volumes = await lab.engine.volumes.list({ [LABEL.role]: 'workspace' })
  expect(volumes.map(({ name }) => name)).toEqual(volumeName === slot ? [] : [volumeName])
  expect((await lab.container('ada'))?.effective.mounts).toMatchObject([{ name: volumeName }])
})

describe('a user whose files are in a backup', () => {
  test('never starts on an empty workspace: without the backup the call fails', async () => {
    const lab = await archived()
    const error = await expectCode(lab.server().acquire('ada'), 'archive_unavailable')
    expect(error.details).toEqual({ archive: 'b1' })
    const damaged: Archiver = {
      archive: () => Promise.resolve(false),
      restore: () => Promise.reject(new Error('the backup is damaged')),
    }
    await expect(lab.server({ archiver: damaged }).acquire('ada')).rejects.toThrow('damaged')
    // One that says that it did and did not.
    const idle: Archiver = { archive: () => Promise.resolve(false), restore: () => Promise.resolve() }
    await expectCode(lab.server({ archiver: idle }).acquire('ada'), 'archive_unavailable')
    expect(await lab.engine.containers.list({})).toEqual([])
    expect(await lab.engine.volumes.list({ [LABEL.role]: 'workspace' })).toEqual([])
  })

  test('has them back before anything starts', async () => {
    const lab = await archived()
    const archiver: Archiver = {
      archive: () => Promise.resolve(false),
      async restore(identity, archive) {
        expect([identity, archive]).toEqual([ada, 'b1'])
        expect(lab.calls('containers.create')).toBe(0)
        await lab.engine.volumes.ensure(ada.volumeName, volumeLabels(ada, 1_100_009))
        await replaceOwner(lab.engine, await resolveOwner(lab.engine, ada), { workspace: ada.volumeName })
      },
    }
    const { notice } = await lab.server({ archiver }).acquire('ada')
    expect(notice).toBe('resumed')
    expect((await lab.container('ada'))?.labels[LABEL.uid]).toBe('1100009')
  })

  test('is woken by who asks for what exists, and left alone by who does not', async () => {
    const lab = await archived()
    expect(await lab.server().acquireExisting('ada', { wake: false })).toBeUndefined()
    await expectCode(lab.server().acquireExisting('ada', { wake: true }), 'archive_unavailable')
  })

  test('starts over without them when they ask for it', async () => {
    const lab = await archived()
    await lab.server().control('ada').startOver({})
    expect(await resolveOwner(lab.engine, ada)).toMatchObject({ archive: undefined })
    expect(await lab.container('ada')).toBeDefined()
  })
})
