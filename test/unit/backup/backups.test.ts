import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { findWorkspace, resolveOwner } from '../../../src/registry/owner.ts'
import { backupLab, type BackupLab } from '../../helpers/backup-lab.ts'
import { Died, dyingEngine } from '../../helpers/dying-engine.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { workspaceStream } from '../../helpers/workspace-stream.ts'

const OLD = [{ path: 'a', content: 'old' }]
const NEW = [{ path: 'a', content: 'new' }]
const BACKUP = { kind: 'backup', verify: true } as const

async function lab(): Promise<BackupLab> {
  const made = await backupLab()
  await made.give(OLD)
  return made
}

async function present({ engine, identity, contents }: BackupLab): Promise<Buffer | undefined> {
  const volume = await findWorkspace(engine, await resolveOwner(engine, identity))
  return volume && contents.get(volume.name)
}

function helpers({ engine }: BackupLab) {
  return engine.containers.list({ 'sandbox-mcp.role': 'copy' })
}

describe('a backup', () => {
  test('of a sandbox that runs is taken while it stands still, and lets it go on', async () => {
    const made = await lab()
    const id = await made.start()
    let during: string | undefined
    made.onPack = async () => void (during ??= (await made.engine.containers.inspect(id))?.state)
    const facts = await made.backups().create(made.identity, BACKUP)
    expect(during).toBe('paused')
    expect((await made.engine.containers.inspect(id))?.state).toBe('running')
    expect(facts).toMatchObject({ kind: 'backup', verified: true, totals: { files: 1, bytes: 3 } })
    expect(await helpers(made)).toEqual([])
    expect(await made.engine.volumes.list({ 'sandbox-mcp.role': 'scratch' })).toEqual([])
  })

  test('of a frozen sandbox leaves it frozen', async () => {
    const made = await lab()
    const id = await made.start()
    await made.engine.containers.pause(id)
    expect((await made.backups().create(made.identity, BACKUP)).heldMs).toBe(0)
    expect((await made.engine.containers.inspect(id))?.state).toBe('paused')
  })

  test('that a call disturbs is taken again, and given up when that happens each time', async () => {
    const made = await lab()
    const id = await made.start()
    let calls = 0
    made.onPack = async () => {
      if (++calls === 1) await made.engine.containers.unpause(id)
    }
    await made.backups().create(made.identity, { kind: 'backup', verify: false })
    expect(calls).toBe(2)
    made.onPack = () => made.engine.containers.unpause(id)
    await expectCode(made.backups().create(made.identity, { kind: 'backup', verify: false }), 'sandbox_busy')
    expect(await made.backups().list(made.identity)).toHaveLength(1)
    expect((await made.engine.containers.inspect(id))?.state).toBe('running')
  })

  test('that takes longer than a sandbox may be held lets it go, and says what to do', async () => {
    const made = await lab()
    const id = await made.start()
    made.onPack = () => new Promise(() => {})
    const backups = made.backups(made.engine, { maxHeldMs: 50 })
    const { hint } = await expectCode(backups.create(made.identity, BACKUP), 'sandbox_busy')
    expect(hint).toContain('backupHold')
    expect((await made.engine.containers.inspect(id))?.state).toBe('running')
  })

  test('reads a volume read-only, but for a tree in which something denies its owner to read', async () => {
    const made = await lab()
    const modes: (boolean | undefined)[] = []
    made.onPack = async () => {
      for (const { id } of await helpers(made)) {
        modes.push((await made.engine.containers.inspect(id))?.effective.mounts[0]?.readOnly)
      }
    }
    await made.backups().create(made.identity, { kind: 'backup', verify: false })
    expect(modes).toEqual([true])
    made.exits.push(10)
    await made.backups().create(made.identity, { kind: 'backup', verify: false })
    expect(modes).toEqual([true, false])
  })

  test('of a user without files is not_found', async () => {
    const made = await backupLab()
    await expectCode(made.backups().create(made.identity, BACKUP), 'not_found')
  })

  test('that fails anywhere lists nothing, and leaves nothing in the target', async () => {
    const made = await lab()
    for (const method of ['containers.create', 'containers.start', 'containers.openStream']) {
      made.engine.fail(method, new SandboxError('engine_failed', 'broken'))
      await expectCode(made.backups().create(made.identity, BACKUP), 'engine_failed')
      made.engine.heal()
    }
    expect(await made.backups().list(made.identity)).toEqual([])
    expect(await readdir(join(made.root, '.partial'))).toEqual([])
    expect(await helpers(made)).toEqual([])
  })
})

describe('a restore', () => {
  async function changed() {
    const made = await lab()
    const facts = await made.backups().create(made.identity, BACKUP)
    made.contents.set(made.identity.volumeName, workspaceStream(NEW))
    return { made, facts }
  }

  test('puts the files of the backup in place, and takes the present ones away', async () => {
    const { made, facts } = await changed()
    await made.start()
    await made.backups().restore(made.identity, facts)
    expect(await present(made)).toEqual(workspaceStream(OLD))
    expect(await made.engine.volumes.inspect(made.identity.volumeName)).toBeUndefined()
    expect(await made.engine.containers.inspect(made.identity.containerName)).toBeUndefined()
  })

  test('of an archive that was changed leaves everything as it was', async () => {
    const { made, facts } = await changed()
    await writeFile(join(made.root, made.identity.userHash, `${facts.id}.tar.zst`), 'something else')
    await expectCode(made.backups().restore(made.identity, facts), 'backup_damaged')
    expect(await present(made)).toEqual(workspaceStream(NEW))
    expect(await made.engine.volumes.list({ 'sandbox-mcp.role': 'workspace' })).toHaveLength(1)
  })

  test('whose files read back otherwise than they were written leaves everything as it was', async () => {
    const { made, facts } = await changed()
    made.onPack = async () => {
      for (const name of made.contents.keys()) {
        if (name !== made.identity.volumeName) made.contents.set(name, workspaceStream(NEW))
      }
    }
    await expectCode(made.backups().restore(made.identity, facts), 'backup_damaged')
    expect(await present(made)).toEqual(workspaceStream(NEW))
  })

  test('that dies at any change leaves the old files or the new ones, whole, and the sweep leaves no other', async () => {
    for (const when of ['before', 'after'] as const) {
      for (let n = 1; ; n++) {
        const { made, facts } = await changed()
        const { view, isDead } = dyingEngine(made.engine, n, when)
        const error: unknown = await made
          .backups(view)
          .restore(made.identity, facts)
          .catch((reason: unknown) => reason)
        expect(error === undefined || error instanceof Died).toBe(true)
        const files = await present(made)
        expect([workspaceStream(OLD).equals(files ?? EMPTY), workspaceStream(NEW).equals(files ?? EMPTY)]).toContain(
          true,
        )
        if (!isDead()) break
      }
    }
  })
})

const EMPTY = Buffer.alloc(0)

describe('what a dead server left', () => {
  test('a sandbox that it held still goes on', async () => {
    for (let n = 1; ; n++) {
      const made = await lab()
      const id = await made.start()
      const { view, isDead } = dyingEngine(made.engine, n, 'after')
      await made
        .backups(view)
        .create(made.identity, BACKUP)
        .catch(() => {})
      if (!isDead()) break
      // Helpers end by themselves when nobody speaks to their programs.
      for (const helper of await helpers(made)) {
        if (helper.state === 'running') made.engine.kill(helper.id, { exitCode: 0 })
      }
      await made.backups().sweep('test')
      expect((await made.engine.containers.inspect(id))?.state, `change ${n}`).toBe('running')
      expect((await helpers(made)).filter(({ state }) => state !== 'created')).toEqual([])
    }
  })

  test('the replaced files of a restore go, and nothing that a record names', async () => {
    const made = await lab()
    const facts = await made.backups().create(made.identity, BACKUP)
    // The old volume cannot be removed: its server is gone by then.
    made.engine.fail('volumes.remove', new SandboxError('engine_unreachable', 'gone'))
    await made.backups().restore(made.identity, facts)
    made.engine.heal()
    expect(await made.engine.volumes.inspect(made.identity.volumeName)).toBeDefined()
    expect(await made.backups().sweep('test')).toBe(1)
    expect(await made.engine.volumes.inspect(made.identity.volumeName)).toBeUndefined()
    expect(await present(made)).toEqual(workspaceStream(OLD))
    expect(await made.backups().sweep('test')).toBe(0)
  })
})

describe('what is kept', () => {
  const take = (made: BackupLab, name?: string) =>
    made.backups().create(made.identity, { kind: 'snapshot', name, verify: false })

  test('backups and snapshots are counted apart; of a name there is one', async () => {
    const made = await lab()
    for (let i = 0; i < 4; i++) await made.backups().create(made.identity, { kind: 'backup', verify: false })
    for (const name of ['one', 'two', 'two', undefined]) await take(made, name)
    const all = await made.backups().list(made.identity)
    expect(all.filter(({ kind }) => kind === 'backup')).toHaveLength(3)
    expect(all.filter(({ kind }) => kind === 'snapshot').map(({ name }) => name)).toEqual([null, 'two'])
  })

  test('a snapshot that alone is larger than a user may have is refused', async () => {
    const made = await lab()
    const retention = { keep: 3, maxAgeMs: 0, snapshots: 2, snapshotBytes: 10 }
    const backups = made.backups(made.engine, { retention })
    await expectCode(backups.create(made.identity, { kind: 'snapshot', verify: false }), 'too_large')
    expect(await backups.list(made.identity)).toEqual([])
  })

  test.each(['../up', '', 'Upper', 'a b', '.hidden', 'x'.repeat(64)])('%j names no snapshot', async (name) => {
    await expectCode(take(await lab(), name), 'invalid_argument')
  })

  test('one whose facts cannot be read does not hide the others; an archive without facts is not listed', async () => {
    const made = await lab()
    const first = await made.backups().create(made.identity, { kind: 'backup', verify: false })
    const second = await made.backups().create(made.identity, { kind: 'backup', verify: false })
    const third = await made.backups().create(made.identity, { kind: 'backup', verify: false })
    const directory = join(made.root, made.identity.userHash)
    await writeFile(join(directory, `${first.id}.json`), '{}')
    await rm(join(directory, `${third.id}.json`))
    expect((await made.backups().list(made.identity)).map(({ id }) => id)).toEqual([second.id])
    await expectCode(made.backups().find(made.identity, first.id), 'backup_damaged')
    await expectCode(made.backups().find(made.identity, '../../etc/passwd'), 'invalid_argument')
  })

  test('a place that cannot be used is backup_unavailable', async () => {
    const made = await lab()
    await writeFile(join(made.root, 'file'), '')
    const { directoryTarget } = await import('../../../src/backup/target/directory.ts')
    const backups = made.backups(made.engine, { target: () => directoryTarget(join(made.root, 'file', 'below')) })
    await expectCode(backups.list(made.identity), 'backup_unavailable')
  })
})
