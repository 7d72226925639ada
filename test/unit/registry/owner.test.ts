import { describe, expect, test } from 'vitest'
import type { Engine } from '../../../src/engine/engine.ts'
import {
  LABEL,
  newSlotName,
  type OwnerFacts,
  ownerLabels,
  ownerName,
  slotLabels,
  volumeLabels,
} from '../../../src/registry/identity.ts'
import {
  ensureOwner,
  findContainer,
  findWorkspace,
  removeOwner,
  replaceOwner,
  resolveOwner,
} from '../../../src/registry/owner.ts'
import { containerSpec } from '../../helpers/specs.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { createFakeEngine } from '../../helpers/fake-engine.ts'
import { labIdentity } from '../../helpers/registry-lab.ts'

const ada = labIdentity('ada')
const IMAGE = 'sandbox-mcp/test:1'

function lab(): Engine {
  return createFakeEngine({ images: [IMAGE] })
}

/** A slot of the installation as a pool makes it. */
async function makeSlot(engine: Engine, installation = ada.installation): Promise<string> {
  const name = newSlotName()
  const labels = slotLabels({ installation, runtime: 'test', digest: 'd1', uid: 1_100_007, poolKey: 'k' })
  await engine.volumes.ensure(name, labels)
  await engine.containers.create(containerSpec({ name, image: IMAGE, labels }))
  return name
}

const ofSlot = (name: string): OwnerFacts => ({ workspace: name, container: name })

describe('a user of whom the engine has nothing', () => {
  test('is new, and gets what is named after them', async () => {
    expect(await resolveOwner(lab(), ada)).toEqual({
      identity: ada,
      volumeName: ada.volumeName,
      containerNames: [ada.containerName],
      archive: undefined,
      generation: 0,
      isNew: true,
    })
  })

  test('is found out with one request to the engine', async () => {
    const engine = createFakeEngine()
    await resolveOwner(engine, ada)
    expect(engine.calls).toEqual(['volumes.list'])
  })

  test('stays new while only a choice of a runtime or a foreign volume has their name', async () => {
    const engine = lab()
    await engine.volumes.ensure(ada.volumeName, { other: 'x' })
    expect(await resolveOwner(engine, ada)).toMatchObject({ isNew: true })
  })
})

test('a workspace without a record, of a server from before there were any, is the user’s', async () => {
  const engine = lab()
  await engine.volumes.ensure(ada.volumeName, volumeLabels(ada, 1_100_001))
  expect(await resolveOwner(engine, ada)).toMatchObject({ volumeName: ada.volumeName, generation: 0, isNew: false })
})

describe('a record', () => {
  test('names the slot first, then the container that is made on its volume when the slot is gone', async () => {
    const engine = lab()
    const slot = await makeSlot(engine)
    await ensureOwner(engine, ada, ofSlot(slot))
    const owner = await resolveOwner(engine, ada)
    expect(owner).toMatchObject({ volumeName: slot, containerNames: [slot, ada.containerName], generation: 1 })
    expect((await findContainer(engine, owner))?.name).toBe(slot)
    expect((await findWorkspace(engine, owner))?.name).toBe(slot)
    await engine.containers.remove(slot)
    expect(await findContainer(engine, owner)).toBeUndefined()
  })

  test('holds no name of a user, and says when it dies with a session', async () => {
    const engine = lab()
    const nameless = labIdentity('nobody', true)
    await ensureOwner(engine, nameless, ofSlot(await makeSlot(engine)))
    const [record] = await engine.volumes.list({ [LABEL.role]: 'owner' })
    expect(record?.labels).toMatchObject({ [LABEL.anonymous]: 'true', [LABEL.user]: nameless.userHash })
    expect(JSON.stringify(record)).not.toContain('nobody')
  })

  test('of many that are made at once is one, and everybody is told the same', async () => {
    const engine = lab()
    const slots = await Promise.all(Array.from({ length: 10 }, () => makeSlot(engine)))
    const owners = await Promise.all(slots.map((slot) => ensureOwner(engine, ada, ofSlot(slot))))
    expect(new Set(owners.map(({ volumeName }) => volumeName)).size).toBe(1)
    expect(await engine.volumes.list({ [LABEL.role]: 'owner' })).toHaveLength(1)
  })

  test('that exists is given as it is now, whatever its first generation said', async () => {
    const engine = lab()
    const first = await ensureOwner(engine, ada, { workspace: ada.volumeName })
    await replaceOwner(engine, first, { workspace: ada.volumeName, archive: 'b1' })
    // A server that was held up since it saw a user without a record.
    expect(await ensureOwner(engine, ada, { workspace: ada.volumeName })).toMatchObject({
      archive: 'b1',
      generation: 2,
    })
    expect(await ensureOwner(engine, ada, ofSlot('sandbox-mcp-slot-x'))).toMatchObject({ archive: 'b1' })
  })

  test('of something else with its name is refused and left alone', async () => {
    const engine = lab()
    await engine.volumes.ensure(ownerName(ada, 1), { other: 'x' })
    await expectCode(ensureOwner(engine, ada, { workspace: ada.volumeName }), 'engine_failed')
    expect(await engine.volumes.inspect(ownerName(ada, 1))).toMatchObject({ labels: { other: 'x' } })
  })

  test('without a workspace is an error, not a new user', async () => {
    const engine = lab()
    const { [LABEL.workspace]: _, ...labels } = ownerLabels(ada, 1, { workspace: 'x' })
    await engine.volumes.ensure(ownerName(ada, 1), labels)
    await expectCode(resolveOwner(engine, ada), 'engine_failed')
  })

  test.each([LABEL.installation, LABEL.user, LABEL.role, LABEL.schema, LABEL.generation])(
    'with another %s is nobody’s record',
    async (label) => {
      const engine = lab()
      const labels = { ...ownerLabels(ada, 1, { workspace: 'elsewhere' }), [label]: 'other' }
      await engine.volumes.ensure(ownerName(ada, 1), labels)
      expect(await resolveOwner(engine, ada)).toMatchObject({ volumeName: ada.volumeName, generation: 0 })
    },
  )
})

describe('what a record names', () => {
  test('is refused when it is a slot of another installation, or somebody else’s', async () => {
    const engine = lab()
    const other = await makeSlot(engine, 'elsewhere')
    await ensureOwner(engine, ada, ofSlot(other))
    const owner = await resolveOwner(engine, ada)
    await expectCode(findContainer(engine, owner), 'engine_failed')
    await expectCode(findWorkspace(engine, owner), 'engine_failed')
  })

  test('is refused when it is another user’s workspace', async () => {
    const engine = lab()
    const bob = labIdentity('bob')
    await engine.volumes.ensure(bob.volumeName, volumeLabels(bob, 1_100_001))
    await ensureOwner(engine, ada, { workspace: bob.volumeName })
    await expectCode(findWorkspace(engine, await resolveOwner(engine, ada)), 'engine_failed')
  })
})

describe('replacing what is a user’s', () => {
  test('counts from the moment when the next record is made', async () => {
    const engine = lab()
    const first = await ensureOwner(engine, ada, ofSlot(await makeSlot(engine)))
    const archived = await replaceOwner(engine, first, { workspace: ada.volumeName, archive: 'b1' })
    expect(archived).toMatchObject({ archive: 'b1', volumeName: ada.volumeName, generation: 2 })
    const back = await replaceOwner(engine, archived, { workspace: `${ada.volumeName}-r2` })
    expect(await resolveOwner(engine, ada)).toEqual(back)
    expect(back).toMatchObject({ archive: undefined, volumeName: `${ada.volumeName}-r2`, generation: 3 })
  })

  test('of a user without a record makes the first one', async () => {
    const engine = lab()
    await engine.volumes.ensure(ada.volumeName, volumeLabels(ada, 1_100_001))
    const now = await replaceOwner(engine, await resolveOwner(engine, ada), { workspace: 'w', archive: 'b1' })
    expect(now).toMatchObject({ generation: 1, archive: 'b1' })
  })

  test('of ten servers at once is done by one; the others are told', async () => {
    const engine = lab()
    const first = await ensureOwner(engine, ada, { workspace: ada.volumeName })
    const tries = Array.from({ length: 10 }, (_, at) => replaceOwner(engine, first, { workspace: `w${at}` }))
    const ended = await Promise.allSettled(tries)
    const won = ended.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    const lost = ended.flatMap((each) => (each.status === 'rejected' ? [(each.reason as { code: string }).code] : []))
    expect(won).toEqual([await resolveOwner(engine, ada)])
    expect(lost).toEqual(Array.from({ length: 9 }, () => 'sandbox_busy'))
  })

  test('from what has changed since is refused, and changes nothing', async () => {
    const engine = lab()
    const first = await ensureOwner(engine, ada, { workspace: 'one' })
    const second = await replaceOwner(engine, first, { workspace: 'two' })
    const third = await replaceOwner(engine, second, { workspace: 'three' })
    await expectCode(replaceOwner(engine, first, { workspace: 'stale' }), 'sandbox_busy')
    const fourth = await replaceOwner(engine, third, { workspace: 'four' })
    // The record of the second generation is gone by now, so its name is free again.
    await expectCode(replaceOwner(engine, first, { workspace: 'stale' }), 'sandbox_busy')
    expect(await resolveOwner(engine, ada)).toEqual(fourth)
  })

  test('keeps the first record and few others, however often it happens', async () => {
    const engine = lab()
    let owner = await ensureOwner(engine, ada, { workspace: 'w0' })
    for (let at = 1; at <= 6; at++) owner = await replaceOwner(engine, owner, { workspace: `w${at}` })
    const names = (await engine.volumes.list({})).map(({ name }) => name).sort()
    expect(names).toEqual([1, 6, 7].map((generation) => ownerName(ada, generation)))
  })

  test.each([0, 1, 2, 3])(
    'keeps one of the two when the server dies after %d requests, and the next goes on',
    async (died) => {
      const engine = lab()
      let owner = await ensureOwner(engine, ada, { workspace: 'w1' })
      for (const workspace of ['w2', 'w3']) owner = await replaceOwner(engine, owner, { workspace })
      await expect(replaceOwner(dyingAfter(engine, died), owner, { workspace: 'w4' })).rejects.toThrow('died')
      const now = await resolveOwner(engine, ada)
      // List, remove what is superseded, make the next one, look.
      expect(now.volumeName).toBe(died < 3 ? 'w3' : 'w4')
      expect(await replaceOwner(engine, now, { workspace: 'w5' })).toMatchObject({ volumeName: 'w5' })
    },
  )
})

describe('forgetting', () => {
  test('removes every record, the one that counts last', async () => {
    const engine = lab()
    const first = await ensureOwner(engine, ada, { workspace: 'one' })
    await replaceOwner(engine, first, { workspace: 'two', archive: 'b1' })
    await expect(removeOwner(dyingAfter(engine, 2), ada)).rejects.toThrow('died')
    expect(await resolveOwner(engine, ada)).toMatchObject({ archive: 'b1' })
    await removeOwner(engine, ada)
    expect(await engine.volumes.list({})).toEqual([])
  })
})

/** The engine as a server sees it that dies after so many requests about volumes. */
function dyingAfter(engine: Engine, requests: number): Engine {
  let left = requests
  const volumes = new Proxy(engine.volumes, {
    get: (target, method: keyof Engine['volumes']) => {
      if (left-- <= 0) return () => Promise.reject(new Error('died'))
      return target[method]
    },
  })
  return { ...engine, volumes }
}
