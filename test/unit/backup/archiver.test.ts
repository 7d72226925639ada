import { rm } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { archiverOf } from '../../../src/backup/archiver.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { findWorkspace, resolveOwner } from '../../../src/registry/owner.ts'
import { backupLab, type BackupLab } from '../../helpers/backup-lab.ts'
import { dyingEngine } from '../../helpers/dying-engine.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { workspaceStream } from '../../helpers/workspace-stream.ts'

const FILES = [{ path: 'work', content: 'of a week' }]
const WHOLE = workspaceStream(FILES)
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
