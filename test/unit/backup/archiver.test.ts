import { rm } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { archiverOf } from '../../../src/backup/archiver.ts'
import { encodeHeader } from '../../../src/backup/archive/tar-header.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { containerLabels, volumeLabels } from '../../../src/registry/identity.ts'
import { findWorkspace, resolveOwner } from '../../../src/registry/owner.ts'
import { presentOwner } from '../../../src/registry/placement.ts'
import { backupLab, type BackupLab } from '../../helpers/backup-lab.ts'
import { Died, dyingEngine } from '../../helpers/dying-engine.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { containerSpec } from '../../helpers/specs.ts'
import { workspaceStream } from '../../helpers/workspace-stream.ts'

const FILES = [{ path: 'work', content: 'of a week' }]
const WHOLE = workspaceStream(FILES)
const NEWER = workspaceStream([...FILES, { path: 'more', content: 'of today' }])
/** More than an archive or a restore makes. */
const MANY_CHANGES = 60

async function lab(): Promise<BackupLab> {
  const made = await backupLab()
  await made.give(FILES)
  return made
}

function archiverFor({ engine, backups }: BackupLab, view = engine as Parameters<BackupLab['backups']>[0]) {
  return archiverOf(backups(view), { engine: view ?? engine, logger: silentLogger })
}

/** A call of another server: its container has come and gone when this resolves. */
async function visit(made: BackupLab): Promise<void> {
  await presentOwner({ engine: made.engine }, made.identity, {})
  const id = await made.start()
  made.contents.set(made.identity.volumeName, NEWER)
  await made.engine.containers.remove(id)
}

/** The packer's entry for what it was not allowed to read. */
function unreadableEntry(path: string): Buffer {
  return encodeHeader({ type: 'Y', path, target: '', mode: 0, mtime: '1700000000.000000000', size: 0 })
}

/** Makes volumes, and right after the record of this fact does something else. */
function afterRecord(
  { engine }: BackupLab,
  fact: 'archive' | 'archiving',
  act: () => Promise<unknown>,
): BackupLab['engine']['volumes']['ensure'] {
  const ensure = engine.volumes.ensure.bind(engine.volumes)
  return async (name, labels, options) => {
    const made = await ensure(name, labels, options)
    if (labels[`sandbox-mcp.${fact}`] !== undefined) await act()
    return made
  }
}

/** As placement does: brings an archived user's files back first, then looks at the volume that the record names. */
async function filesOf(made: BackupLab): Promise<Buffer | undefined> {
  const { engine, identity, contents } = made
  const owner = await resolveOwner(engine, identity)
  if (owner.archive !== undefined) await archiverFor(made).restore(identity, owner.archive)
  const now = await resolveOwner(engine, identity)
  expect(now.archive).toBeUndefined()
  const volume = await findWorkspace(engine, now)
  return volume && contents.get(volume.name)
}

describe('the archive step', () => {
  test('puts the files in a backup that was tried, and brings them back', async () => {
    const made = await lab()
    const { engine, identity } = made
    expect(await archiverFor(made).archive(identity)).toBe(true)
    expect(await engine.volumes.inspect(identity.volumeName)).toBeUndefined()
    expect((await made.backups().list(identity)).map(({ kind, verified }) => [kind, verified])).toEqual([
      ['archive', true],
    ])
    expect(await filesOf(made)).toEqual(WHOLE)
  })

  test('leaves alone who has nothing, and who is there', async () => {
    const made = await backupLab()
    expect(await archiverFor(made).archive(made.identity)).toBe(false)
    await made.give(FILES)
    await made.start()
    expect(await archiverFor(made).archive(made.identity)).toBe(false)
    expect(await filesOf(made)).toEqual(WHOLE)
  })

  test('gives way to somebody who comes back while it copies', async () => {
    const made = await lab()
    made.onPack = async () => {
      made.onPack = undefined
      await made.start()
    }
    expect(await archiverFor(made).archive(made.identity)).toBe(false)
    expect(await resolveOwner(made.engine, made.identity)).toMatchObject({ archive: undefined })
    expect(made.contents.get(made.identity.volumeName)).toEqual(WHOLE)
  })

  test('stops without a trace when it is told to', async () => {
    const made = await lab()
    const stop = new AbortController()
    made.onPack = async () => stop.abort(new Error('the user is back'))
    await expect(archiverFor(made).archive(made.identity, { signal: stop.signal })).rejects.toThrow('the user is back')
    expect(await made.backups().list(made.identity)).toEqual([])
    expect(await filesOf(made)).toEqual(WHOLE)
  })

  test('keeps the volume when the backup cannot be restored on trial', async () => {
    const made = await lab()
    // The packer, then an unpacker on a full disk.
    made.onPack = async () => void (made.exits.length === 0 && made.exits.push(13))
    await expectCode(archiverFor(made).archive(made.identity), 'disk_full')
    expect(await made.backups().list(made.identity)).toEqual([])
    expect(await filesOf(made)).toEqual(WHOLE)
  })

  test('keeps what a visit wrote that began and ended while the copy was tried', async () => {
    const made = await lab()
    let packs = 0
    made.onPack = async () => {
      // The first reads the workspace, the second what was restored on trial.
      if (++packs === 2) await visit(made)
    }
    expect(await archiverFor(made).archive(made.identity)).toBe(false)
    expect(await filesOf(made)).toEqual(NEWER)
  })

  test('keeps what a visit wrote that read the record before the archiving began', async () => {
    const made = await lab()
    let id = ''
    made.engine.volumes.ensure = afterRecord(made, 'archiving', async () => void (id = await made.start()))
    expect(await archiverFor(made).archive(made.identity)).toBe(false)
    made.contents.set(made.identity.volumeName, NEWER)
    await made.engine.containers.remove(id)
    expect(await filesOf(made)).toEqual(NEWER)
  })

  test('leaves alone whose call is under way in a container of its own', async () => {
    const made = await lab()
    const labels = { ...containerLabels(made.identity, 'python', 'digest', 1_100_001), 'sandbox-mcp.role': 'call' }
    await made.engine.containers.create(containerSpec({ name: 'call', image: 'sandbox-mcp/test:1', labels }))
    expect(await archiverFor(made).archive(made.identity)).toBe(false)
  })

  test('keeps the volume when something in it is not in the copy', async () => {
    const made = await backupLab()
    await made.give([])
    made.contents.set(made.identity.volumeName, Buffer.concat([unreadableEntry('of-root'), workspaceStream(FILES)]))
    const { hint } = await expectCode(archiverFor(made).archive(made.identity), 'engine_failed')
    expect(hint).toContain('chown')
    expect(await resolveOwner(made.engine, made.identity)).toMatchObject({ archive: undefined })
    expect(await made.engine.volumes.inspect(made.identity.volumeName)).toBeDefined()
    expect(await made.backups().list(made.identity)).toEqual([])
  })

  test('lets a sandbox that another server started in the last moment keep its files', async () => {
    const made = await lab()
    made.engine.volumes.ensure = afterRecord(made, 'archive', () => made.start())
    expect(await archiverFor(made).archive(made.identity)).toBe(false)
    expect(await filesOf(made)).toEqual(WHOLE)
    expect(await made.backups().list(made.identity)).toEqual([])
  })

  test('brings back what is in the backup when there is an empty volume beside it', async () => {
    const made = await lab()
    await archiverFor(made).archive(made.identity)
    await made.engine.volumes.ensure(made.identity.volumeName, volumeLabels(made.identity, 1_100_001))
    made.contents.delete(made.identity.volumeName)
    expect(await filesOf(made)).toEqual(WHOLE)
  })

  test('never gives an empty workspace in place of files that are out of reach', async () => {
    const made = await lab()
    const { engine, identity, root } = made
    await archiverFor(made).archive(identity)
    const { archive } = await resolveOwner(engine, identity)
    await rm(root, { recursive: true })
    await expectCode(archiverFor(made).restore(identity, archive ?? ''), 'archive_unavailable')
    expect(await resolveOwner(engine, identity)).toMatchObject({ archive })
    expect(await engine.volumes.list({ 'sandbox-mcp.role': 'workspace' })).toEqual([])
  })
})

describe('after a server that died between the record and the volume', () => {
  /** The record names the backup, and the volume is still there. */
  async function halfDone(): Promise<BackupLab> {
    const made = await lab()
    const view = { ...made.engine, volumes: { ...made.engine.volumes } }
    view.volumes.remove = async (name) => {
      if (name === made.identity.volumeName) throw new Died('dead')
      await made.engine.volumes.remove(name)
    }
    // What a dead server would do next does not come through either.
    view.volumes.ensure = async (name, labels, options) => {
      const { archive } = await resolveOwner(made.engine, made.identity)
      if (archive !== undefined) throw new Died('dead')
      return made.engine.volumes.ensure(name, labels, options)
    }
    await expect(archiverFor(made, view).archive(made.identity)).rejects.toThrow(Died)
    expect((await resolveOwner(made.engine, made.identity)).archive).toBeDefined()
    return made
  }

  test('the next look ends what it began', async () => {
    const made = await halfDone()
    expect(await archiverFor(made).archive(made.identity)).toBe(true)
    expect(await made.engine.volumes.inspect(made.identity.volumeName)).toBeUndefined()
    expect(await filesOf(made)).toEqual(WHOLE)
  })
})

describe.each(['before', 'after'] as const)('a server that dies %s any of its changes', (when) => {
  test('in an archive step loses nothing', async () => {
    let deaths = 0
    for (let n = 1; n <= MANY_CHANGES; n++) {
      const made = await lab()
      const { view, isDead } = dyingEngine(made.engine, n, when)
      await archiverFor(made, view)
        .archive(made.identity)
        .catch(() => {})
      if (!isDead()) break
      deaths++
      expect(await filesOf(made), `change ${n}`).toEqual(WHOLE)
    }
    expect(deaths).toBeGreaterThan(8)
    expect(deaths).toBeLessThan(MANY_CHANGES)
  })

  test('in a restore loses nothing, and the next one succeeds', async () => {
    let deaths = 0
    for (let n = 1; n <= MANY_CHANGES; n++) {
      const made = await lab()
      await archiverFor(made).archive(made.identity)
      const { archive = '' } = await resolveOwner(made.engine, made.identity)
      const { view, isDead } = dyingEngine(made.engine, n, when)
      await archiverFor(made, view)
        .restore(made.identity, archive)
        .catch(() => {})
      if (!isDead()) break
      deaths++
      expect(await filesOf(made), `change ${n}`).toEqual(WHOLE)
    }
    expect(deaths).toBeGreaterThan(4)
    expect(deaths).toBeLessThan(MANY_CHANGES)
  })
})
