import { describe, expect, test } from 'vitest'
import { connect } from '../../../../src/registry/connect.ts'
import { identityOf, LABEL, volumeLabels } from '../../../../src/registry/identity.ts'
import { writeChoice } from '../../../../src/registry/runtime-choice.ts'
import { prune } from '../../../../src/operator/prune/prune.ts'
import { sandboxLeftovers } from '../../../../src/operator/prune/sandbox-leftovers.ts'
import { labIdentity, makeSlot, registryLab, type RegistryLab } from '../../../helpers/registry-lab.ts'

const INSTALLATION = 'test'
/** Volumes of a test with files in them. */
const full = new Set<string>()
const isEmpty = ({ name }: { name: string }) => Promise.resolve(!full.has(name))
const out = { write() {}, isTerminal: false, json: false }

/** Kind and name of all that is found. */
async function found({ engine }: RegistryLab) {
  return (await sandboxLeftovers(engine, INSTALLATION, isEmpty)).map(({ kind, name, isSuspect }) => [
    kind,
    name,
    isSuspect,
  ])
}

function pruneAll({ engine }: RegistryLab) {
  const sources = [() => sandboxLeftovers(engine, INSTALLATION, isEmpty)]
  return prune({ confirmed: true }, { sources, out, secondLookMs: 1 })
}

async function volumeNames({ engine }: RegistryLab): Promise<string[]> {
  return (await engine.volumes.list({})).map(({ name }) => name).sort()
}

describe('of users', () => {
  test('nothing is left over while sandboxes run, or sleep with their files', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const lease = await server.acquire('runs')
    lease.release()
    const asleep = labIdentity('asleep')
    await lab.engine.volumes.ensure(asleep.volumeName, volumeLabels(asleep, 1_100_001))
    expect(await found(lab)).toEqual([])
    await server.close(false)
  })

  test('a container that has ended goes, and its files stay', async () => {
    const lab = await registryLab()
    const server = lab.server()
    ;(await server.acquire('alice')).release()
    await server.close(false)
    const { containerName } = labIdentity('alice')
    await lab.engine.containers.stop(containerName)
    const before = await volumeNames(lab)
    expect(await found(lab)).toEqual([['ended containers', containerName, false]])
    await pruneAll(lab)
    expect(await lab.engine.containers.inspect(containerName)).toBeUndefined()
    expect(await volumeNames(lab)).toEqual(before)
    expect(await found(lab)).toEqual([])
  })

  test('one that was started again in between stays', async () => {
    const lab = await registryLab()
    ;(await lab.server().acquire('alice')).release()
    const { containerName } = labIdentity('alice')
    await lab.engine.containers.stop(containerName)
    const [leftover] = await sandboxLeftovers(lab.engine, INSTALLATION, isEmpty)
    await lab.engine.containers.start(containerName)
    expect(await leftover?.remove()).toBe(false)
    expect(await lab.engine.containers.inspect(containerName)).toMatchObject({ state: 'running' })
  })

  test('a choice whose user has no files goes after two looks, and not when files came in between', async () => {
    const lab = await registryLab()
    const bob = labIdentity('bob')
    await writeChoice(lab.engine, bob, 'other')
    expect(await found(lab)).toEqual([['records without files', `id:${bob.userHash}`, true]])
    const [leftover] = await sandboxLeftovers(lab.engine, INSTALLATION, isEmpty)
    await lab.engine.volumes.ensure(bob.volumeName, volumeLabels(bob, 1_100_001))
    expect(await leftover?.remove()).toBe(false)
    await lab.engine.volumes.remove(bob.volumeName)
    await pruneAll(lab)
    expect(await volumeNames(lab)).toEqual([])
  })

  test('other installations are left alone', async () => {
    const lab = await registryLab()
    const other = identityOf('another', 'alice')
    await writeChoice(lab.engine, other, 'other')
    expect(await found(lab)).toEqual([])
  })
})

describe('of nobody', () => {
  test('a session’s sandbox stays as long as its server is connected, and goes when that is gone', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const { user } = server.anonymousUser()
    ;(await server.acquire(user)).release()
    expect(await found(lab)).toEqual([])
    await server.close(false)
    expect(await found(lab)).toEqual([['sandboxes of ended sessions', expect.stringMatching(/^id:/), true]])
    await pruneAll(lab)
    expect(await volumeNames(lab)).toEqual([])
    expect(await lab.engine.containers.list({ [LABEL.installation]: INSTALLATION })).toEqual([])
  })

  test('a slot goes with its volume to whoever gets its claim; one that was claimed stays', async () => {
    const lab = await registryLab()
    const slot = await makeSlot(lab)
    expect(await found(lab)).toEqual([['unused slots', slot, true]])
    const [leftover] = await sandboxLeftovers(lab.engine, INSTALLATION, isEmpty)
    const claimed = await connect(lab.engine, slot)
    expect(await claimed.claim()).toBe(true)
    claimed.connection.close('claimed')
    expect(await leftover?.remove()).toBe(false)
    expect(await volumeNames(lab)).toEqual([slot])
    const other = await makeSlot(lab)
    await pruneAll(lab)
    expect(await volumeNames(lab)).toEqual([slot])
    expect(await lab.engine.containers.inspect(other)).toBeUndefined()
  })

  test('a slot that cannot be asked any more goes only without a file: its record may be what is lost', async () => {
    const lab = await registryLab()
    const slot = await makeSlot(lab)
    await lab.engine.containers.stop(slot)
    full.add(slot)
    await pruneAll(lab)
    expect(await volumeNames(lab)).toEqual([slot])
    full.delete(slot)
    await pruneAll(lab)
    expect(await volumeNames(lab)).toEqual([])
    expect(await lab.engine.containers.inspect(slot)).toBeUndefined()
  })

  test('a scratch volume goes when it is old', async () => {
    const lab = await registryLab()
    const labels = { [LABEL.role]: 'scratch', [LABEL.installation]: INSTALLATION }
    await lab.engine.volumes.ensure('young', { ...labels, 'sandbox-mcp.since': String(Date.now()) })
    await lab.engine.volumes.ensure('old', { ...labels, 'sandbox-mcp.since': String(Date.now() - 7 * 60 * 60_000) })
    expect(await found(lab)).toEqual([['scratch volumes', 'old', false]])
  })
})
