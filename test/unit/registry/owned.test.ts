import { expect, test } from 'vitest'
import type { Engine } from '../../../src/engine/engine.ts'
import {
  choiceLabels,
  containerLabels,
  fetchLabels,
  newSlotName,
  slotLabels,
  volumeLabels,
} from '../../../src/registry/identity.ts'
import { listHoldings, listOwned } from '../../../src/registry/owned.ts'
import { ensureOwner, replaceOwner } from '../../../src/registry/owner.ts'
import { createFakeEngine } from '../../helpers/fake-engine.ts'
import { labIdentity } from '../../helpers/registry-lab.ts'
import { containerSpec } from '../../helpers/specs.ts'

const IMAGE = 'sandbox-mcp/test:1'
const UID = 1_100_001
const INSTALLATION = labIdentity('any').installation

const lab = () => createFakeEngine({ images: [IMAGE] })

async function makeSlot(engine: Engine, parts: { container?: boolean; volume?: boolean } = {}): Promise<string> {
  const name = newSlotName()
  const labels = slotLabels({ installation: INSTALLATION, runtime: 'test', digest: 'd1', uid: UID, poolKey: 'k' })
  if (parts.volume !== false) await engine.volumes.ensure(name, labels)
  if (parts.container !== false) await engine.containers.create(containerSpec({ name, image: IMAGE, labels }))
  return name
}

test('every user of whom there is anything is listed once, with what is theirs', async () => {
  const engine = lab()
  const [old, slotted, chose, archived] = ['old', 'slotted', 'chose', 'archived'].map((user) => labIdentity(user))
  if (!old || !slotted || !chose || !archived) throw new Error('four users')
  await engine.volumes.ensure(old.volumeName, volumeLabels(old, UID))
  const labels = containerLabels(old, 'test', 'd1', UID)
  await engine.containers.create(containerSpec({ name: old.containerName, image: IMAGE, labels }))
  const slot = await makeSlot(engine)
  await ensureOwner(engine, slotted, { workspace: slot, container: slot })
  await engine.volumes.ensure(chose.choiceName, choiceLabels(chose, 'other'))
  const record = await ensureOwner(engine, archived, { workspace: archived.volumeName })
  await replaceOwner(engine, record, { workspace: archived.volumeName, archive: 'b1' })

  const listed = await listOwned(engine, INSTALLATION)
  const seen = listed.map(({ owner, container, workspace }) => [
    owner.identity.userHash,
    container?.name,
    workspace?.name,
    owner.archive,
  ])
  expect(seen).toEqual(
    [
      [old.userHash, old.containerName, old.volumeName, undefined],
      [slotted.userHash, slot, slot, undefined],
      [chose.userHash, undefined, undefined, undefined],
      [archived.userHash, undefined, undefined, 'b1'],
    ].sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1)),
  )
})

test('who has a slot and is of a session is of a session by the labels of the record alone', async () => {
  const engine = lab()
  const slot = await makeSlot(engine)
  await ensureOwner(engine, labIdentity('nobody', true), { workspace: slot, container: slot })
  const [only] = await listOwned(engine, INSTALLATION)
  expect(only?.owner.identity.isAnonymous).toBe(true)
  expect(only?.container?.name).toBe(slot)
})

test('slots that no record names are nobody’s, also half of one', async () => {
  const engine = lab()
  const taken = await makeSlot(engine)
  const whole = await makeSlot(engine)
  const volume = await makeSlot(engine, { container: false })
  await ensureOwner(engine, labIdentity('ada'), { workspace: taken, container: taken })
  const { slots } = await listHoldings(engine, INSTALLATION)
  expect(slots.map(({ name, container }) => [name, container !== undefined])).toEqual(
    [[whole, true] as const, [volume, false] as const].sort(([a], [b]) => (a < b ? -1 : 1)),
  )
})

test('a slot whose container is gone stays its user’s by its volume', async () => {
  const engine = lab()
  const slot = await makeSlot(engine)
  const ada = labIdentity('ada')
  await ensureOwner(engine, ada, { workspace: slot, container: slot })
  await engine.containers.remove(slot)
  const { users, slots } = await listHoldings(engine, INSTALLATION)
  expect(slots).toEqual([])
  expect(users).toMatchObject([{ container: undefined, workspace: { name: slot } }])
})

test('other installations, helpers and labels that are no hash are left out', async () => {
  const engine = lab()
  const ada = labIdentity('ada')
  const helper = fetchLabels(INSTALLATION, ada.userHash)
  await engine.containers.create(containerSpec({ name: 'helper', image: IMAGE, labels: helper }))
  const foreign = { ...volumeLabels(ada, UID), 'sandbox-mcp.installation': 'elsewhere' }
  await engine.volumes.ensure('foreign', foreign)
  await engine.volumes.ensure('odd', { ...volumeLabels(ada, UID), 'sandbox-mcp.user': '../../etc' })
  expect(await listOwned(engine, INSTALLATION)).toEqual([])
})
