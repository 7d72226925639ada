import { expect, test } from 'vitest'
import type { ContainerSummary, Engine, Labels } from '../../../src/engine/engine.ts'
import { identityOf, LABEL } from '../../../src/registry/identity.ts'
import { leftovers } from '../../load/leftovers.ts'

const INSTALLATION = 'test'
const hash = identityOf(INSTALLATION, 'alice').userHash
const own = (role: string, more: Labels = {}): Labels => ({ [LABEL.role]: role, [LABEL.user]: hash, ...more })
const SLOT: Labels = { [LABEL.role]: 'slot' }

type Given = Readonly<Record<string, Labels>>

/** What is said of an engine with these containers, which run but those named `ended…`, and these volumes. */
async function saidOf(containers: Given, volumes: Given): Promise<string[]> {
  const list = Object.entries(containers).map(([name, labels]) => ({
    name,
    labels,
    state: name.startsWith('ended') ? 'exited' : 'running',
  })) as unknown as ContainerSummary[]
  const engine = {
    containers: { list: async () => list },
    volumes: { list: async () => Object.entries(volumes).map(([name, labels]) => ({ name, labels })) },
  } as unknown as Engine
  return await leftovers({ engine, installation: INSTALLATION, users: ['alice'], poolSize: 1 })
}

const FILES = { files: own('workspace') }

test('a user’s own container and volumes, their slot, and a pool of its size are no leftovers', async () => {
  expect(await saidOf({ own: own('sandbox') }, FILES)).toEqual([])
  const record = { record: own('owner', { [LABEL.container]: 'slot-1', [LABEL.workspace]: 'slot-1' }) }
  expect(await saidOf({ 'slot-1': SLOT, 'slot-2': SLOT }, { ...record, 'slot-1': SLOT, 'slot-2': SLOT })).toEqual([])
})

test.each([
  ['a container that has ended', { ended: own('sandbox') }, FILES, 'left over: container ended, exited'],
  ['a container of nobody', { helper: { [LABEL.role]: 'fetch' } }, FILES, 'left over: container helper of nobody'],
  ['a pool too large', { a: SLOT, b: SLOT }, { ...FILES, a: SLOT, b: SLOT }, 'left over: 2 sandboxes of a pool of 1'],
  ['a slot’s volume without its container', {}, { ...FILES, a: SLOT }, 'left over: volume a of nobody'],
  ['a volume of somebody else', {}, { ...FILES, b: { [LABEL.user]: 'f' } }, 'left over: volume b of nobody'],
  ['a user without files', {}, {}, '1 users have no volume'],
] as const)('%s is told', async (_, containers, volumes, said) => {
  expect(await saidOf(containers, volumes)).toEqual([said])
})
