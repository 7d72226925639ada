import { expect, test, vi } from 'vitest'
import { LABEL } from '../../../../src/registry/identity.ts'
import { ensureOwner, removeOwner, resolveOwner } from '../../../../src/registry/owner.ts'
import { connect } from '../../../../src/registry/connect.ts'
import { labIdentity, makeSlot, registryLab, type RegistryLab } from '../../../helpers/registry-lab.ts'

const ada = labIdentity('ada')
const names = async ({ engine }: RegistryLab) => (await engine.containers.list({})).map(({ name }) => name)
const volumes = async ({ engine }: RegistryLab) => (await engine.volumes.list({})).map(({ name }) => name)

test('a slot whose server is gone is removed by the next one, at its second look', async () => {
  const lab = await registryLab()
  await makeSlot(lab)
  const next = lab.server()
  expect(await next.lookForSlots()).toEqual({ removed: 0, suspects: 1 })
  expect(await names(lab)).toHaveLength(1)
  expect(await next.lookForSlots()).toEqual({ removed: 1, suspects: 0 })
  expect([...(await names(lab)), ...(await volumes(lab))]).toEqual([])
})

test('of two servers that look in turns one removes it; while both are at it neither does', async () => {
  const lab = await registryLab()
  await makeSlot(lab)
  const servers = [lab.server(), lab.server()]
  const looks = async () => {
    const looked = await Promise.all(servers.map((server) => server.lookForSlots()))
    return looked.reduce((sum, { removed }) => sum + removed, 0)
  }
  // Each finds the other at it, and takes it for the slot's server.
  expect([await looks(), await looks(), await looks()]).toEqual([0, 0, 0])
  let removed = 0
  for (const server of [...servers, ...servers]) removed += (await server.lookForSlots()).removed
  expect(removed).toBe(1)
  expect([...(await names(lab)), ...(await volumes(lab))]).toEqual([])
})

test('halves of one are removed: a volume alone, a container that never started or has ended', async () => {
  const lab = await registryLab()
  const [lone, ended] = [await makeSlot(lab), await makeSlot(lab)]
  await lab.engine.containers.remove(lone)
  lab.engine.kill(ended)
  const next = lab.server()
  expect(await next.lookForSlots()).toEqual({ removed: 0, suspects: 2 })
  expect(await next.lookForSlots()).toEqual({ removed: 2, suspects: 0 })
  expect([...(await names(lab)), ...(await volumes(lab))]).toEqual([])
})

test('a volume with files stays when its container is gone and nobody has a record of whose it is', async () => {
  const lab = await registryLab()
  const slot = await makeSlot(lab)
  await lab.engine.containers.remove(slot)
  const next = lab.server({ isEmptyVolume: () => Promise.resolve(false) })
  expect(await next.lookForSlots()).toEqual({ removed: 0, suspects: 1 })
  expect(await next.lookForSlots()).toEqual({ removed: 0, suspects: 0 })
  expect(await volumes(lab)).toEqual([slot])
})

test('a slot that a live server keeps, gives away or has given away is left alone', async () => {
  const lab = await registryLab()
  const server = lab.server({ poolSizes: new Map([['test', 2]]) })
  server.fillPool()
  await vi.waitFor(() => expect(server.poolSlots.ready).toBe(2))
  const other = lab.server()
  await server.acquire('ada')
  await vi.waitFor(() => expect(server.poolSlots).toEqual({ ready: 2, starting: 0 }))
  for (let look = 0; look < 3; look++) {
    expect(await other.lookForSlots()).toEqual({ removed: 0, suspects: 0 })
    expect(await server.lookForSlots()).toEqual({ removed: 0, suspects: 0 })
  }
  await server.close(false)
  // Their server has gone, and they have an owner.
  for (let look = 0; look < 3; look++) expect(await other.lookForSlots()).toEqual({ removed: 0, suspects: 0 })
  expect(await lab.container('ada')).toBeDefined()
})

test('a slot that was claimed by a server that died before it could make the record is removed', async () => {
  const lab = await registryLab()
  const slot = await makeSlot(lab)
  const client = await connect(lab.engine, slot)
  expect(await client.claim()).toBe(true)
  client.connection.close('it died')
  const next = lab.server()
  await next.lookForSlots()
  expect(await next.lookForSlots()).toEqual({ removed: 1, suspects: 0 })
})

test('one that gets its user between the look and the removal stays', async () => {
  const lab = await registryLab()
  const slot = await makeSlot(lab)
  const next = lab.server()
  await next.lookForSlots()
  const { list } = lab.engine.volumes
  // The record comes just after the first list of the second look.
  vi.spyOn(lab.engine.volumes, 'list').mockImplementationOnce(async (...args) => {
    const listed = await list(...args)
    await ensureOwner(lab.engine, ada, { workspace: slot, container: slot })
    return listed
  })
  expect(await next.lookForSlots()).toEqual({ removed: 0, suspects: 0 })
  expect(await names(lab)).toEqual([slot])
  expect(await volumes(lab)).toContain(slot)
})

test('work that has lost its record is never removed while it runs', async () => {
  const lab = await registryLab()
  const slot = await makeSlot(lab)
  const client = await connect(lab.engine, slot)
  await client.claim()
  client.connection.close('it died')
  ;(await lab.supervisorIn(slot)).used = true
  const next = lab.server()
  for (let look = 0; look < 4; look++) expect((await next.lookForSlots()).removed).toBe(0)
  expect(await names(lab)).toEqual([slot])
})

test('the record of a user of this server that somebody removed is made anew', async () => {
  const lab = await registryLab()
  const server = lab.server({ poolSizes: new Map([['test', 1]]) })
  server.fillPool()
  await vi.waitFor(() => expect(server.poolSlots.ready).toBe(1))
  await server.acquire('ada')
  const before = await resolveOwner(lab.engine, ada)
  await removeOwner(lab.engine, ada)
  await server.lookForSlots()
  expect(await resolveOwner(lab.engine, ada)).toEqual(before)
})

test('slots of other installations are nobody’s here', async () => {
  const lab = await registryLab()
  const slot = await makeSlot(lab)
  const container = await lab.engine.containers.inspect(slot)
  await lab.engine.containers.remove(slot)
  await lab.engine.volumes.remove(slot)
  await lab.engine.volumes.ensure(slot, { ...container?.labels, [LABEL.installation]: 'elsewhere' })
  const next = lab.server()
  for (let look = 0; look < 3; look++) expect(await next.lookForSlots()).toEqual({ removed: 0, suspects: 0 })
  expect(await volumes(lab)).toEqual([slot])
})
