import pLimit from 'p-limit'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes } from '../lib/units.ts'
import { type SandboxIdentity, uidFromLabels } from '../registry/identity.ts'
import { findWorkspace, resolveOwner } from '../registry/owner.ts'
import { copyOut, type SpooledArchive } from './copy-out.ts'
import { fillWorkspace, tryOut } from './copy-in.ts'
import { checkedId, checkedName, type BackupFacts, type BackupKind, newBackupId } from './facts.ts'
import { sweepLeftovers } from './leftovers.ts'
import type { Totals } from './manifest.ts'
import { putInPlace } from './put-in-place.ts'
import { type Retention, superseded } from './retention.ts'
import type { BackupScene, CopyCall } from './scene.ts'
import { Shelf } from './shelf.ts'
import { wholeAs } from './whole-as.ts'

export interface BackupsDeps extends BackupScene {
  readonly retention: Retention
}

export interface CreateOptions extends CopyCall {
  readonly kind: BackupKind
  /** Of a snapshot; an older one of the name gives way. */
  readonly name?: string | undefined
  /** Restores it into a scratch volume, and reads that back, before it is listed. */
  readonly verify: boolean
}

export interface RestoreOptions extends CopyCall {
  /** Runs the exchange while this server uses nothing of the sandbox. By default it just runs. */
  readonly whileDown?: ((change: () => Promise<void>) => Promise<void>) | undefined
}

/** Copies at once, for this process: each takes a processor and the disk. */
const AT_ONCE = 2
/** Age at which what a dead writer left in a target is removed, in milliseconds: beyond any upload. */
const STALE_MS = 24 * 3_600_000

/** Copies of users' workspaces outside of the engine: made, listed, brought back, thrown away. */
export class Backups {
  readonly #deps: BackupsDeps
  readonly #limit = pLimit(AT_ONCE)

  constructor(deps: BackupsDeps) {
    this.#deps = deps
  }

  /** Newest first. */
  async list(identity: SandboxIdentity): Promise<readonly BackupFacts[]> {
    return await (await this.#shelf(identity)).list()
  }

  async find(identity: SandboxIdentity, id: string): Promise<BackupFacts> {
    return await (await this.#shelf(identity)).find(checkedId(id))
  }

  /** The newest, or the snapshot of this name or id. `not_found` when there is none. */
  async findSnapshot(identity: SandboxIdentity, wanted: string | undefined): Promise<BackupFacts> {
    const snapshots = (await this.list(identity)).filter(({ kind }) => kind === 'snapshot')
    const found = snapshots.find(({ id, name }) => wanted === undefined || wanted === id || wanted === name)
    if (found) return found
    const known = snapshots.map(({ id, name }) => name ?? id).join(', ')
    throw new SandboxError('not_found', wanted === undefined ? 'There is no snapshot.' : 'There is no such snapshot.', {
      hint: known === '' ? 'Make one with action=snapshot.' : `There are: ${known}.`,
    })
  }

  /** Copies the workspace, tries the copy out if asked to, and lists it; then older ones go, as the retention says. */
  create(identity: SandboxIdentity, options: CreateOptions): Promise<BackupFacts> {
    return this.#limit(async () => {
      const { signal, onProgress, kind } = options
      const name = options.name === undefined ? null : checkedName(options.name)
      signal?.throwIfAborted()
      const target = await this.#deps.target()
      const shelf = new Shelf(target, identity.userHash)
      await using archive = await copyOut(this.#deps, identity, target.spoolDir, options)
      this.#refuseTooLarge(kind, archive)
      const { head, totals, bytes, sha256 } = archive
      const id = newBackupId(new Date(head.createdAt))
      const facts = {
        id,
        kind,
        name,
        head,
        totals,
        archive: { bytes, sha256 },
        heldMs: Math.round(archive.heldMs),
        verified: options.verify,
      }
      if (options.verify) await this.#verify(identity, archive, options)
      onProgress?.('keeping the archive')
      await shelf.add(facts, archive.file, signal)
      await this.#tidy(identity, shelf, facts)
      return facts
    })
  }

  /**
   * Makes a backup the user's workspace. The files are written beside the present ones and compared first; whatever fails before they are
   * exchanged leaves everything as it was.
   */
  restore(identity: SandboxIdentity, facts: BackupFacts, options: RestoreOptions = {}): Promise<void> {
    return this.#limit(async () => {
      const shelf = await this.#shelf(identity)
      const archive = wholeAs(facts.archive, shelf.read(facts, options.signal))
      await this.#bringIn(identity, archive, options)
    })
  }

  /** Hands the workspace out as one archive, of which nothing stays here. */
  exportTo(
    identity: SandboxIdentity,
    spoolDir: string,
    write: (archive: SpooledArchive) => Promise<void>,
    call: CopyCall,
  ): Promise<Totals> {
    return this.#limit(async () => {
      await using archive = await copyOut(this.#deps, identity, spoolDir, call)
      await write(archive)
      return archive.totals
    })
  }

  /** Makes an archive from wherever the user's workspace, as {@link restore} does. */
  importFrom(
    identity: SandboxIdentity,
    archive: AsyncIterable<Uint8Array>,
    options: RestoreOptions = {},
  ): Promise<Totals> {
    return this.#limit(() => this.#bringIn(identity, archive, options))
  }

  async remove(identity: SandboxIdentity, id: string): Promise<void> {
    const { archive } = await resolveOwner(this.#deps.engine, identity)
    if (archive === id) {
      throw new SandboxError('invalid_argument', 'This backup holds the only copy of the files.', {
        hint: 'They come back with the next use of the sandbox, or with sandbox-mcp restore.',
      })
    }
    await (await this.#shelf(identity)).remove(checkedId(id))
  }

  /** Removes all backups and snapshots of a user whose sandbox is gone. */
  async removeAll(identity: SandboxIdentity): Promise<void> {
    await (await this.#shelf(identity)).clear()
  }

  /** Removes what dead servers left on the engine, and lets go of the sandboxes that they held still. */
  sweep(installation: string): Promise<number> {
    return sweepLeftovers(this.#deps, installation)
  }

  async #bringIn(
    identity: SandboxIdentity,
    archive: AsyncIterable<Uint8Array>,
    { whileDown = (change) => change(), ...call }: RestoreOptions,
  ): Promise<Totals> {
    const { engine, logger } = this.#deps
    const options = call.signal ? { signal: call.signal } : {}
    const owner = await resolveOwner(engine, identity, options)
    const old = await findWorkspace(engine, owner, options)
    const uid = (old && uidFromLabels(old.labels)) ?? (await this.#deps.uidOf(identity))
    const volume = await fillWorkspace(this.#deps, identity, { uid, replaces: owner.volumeName }, archive, call)
    call.onProgress?.('putting the files in place')
    let begun = false
    try {
      await whileDown(() => {
        begun = true
        return putInPlace(engine, owner, volume.name, logger)
      })
    } finally {
      if (!begun) await engine.volumes.remove(volume.name)
    }
    return volume.totals
  }

  async #verify(identity: SandboxIdentity, archive: SpooledArchive, call: CopyCall): Promise<void> {
    const { createReadStream } = await import('node:fs')
    const content: AsyncIterable<Buffer> = createReadStream(archive.file, { highWaterMark: 1024 * 1024 })
    const totals = await tryOut(this.#deps, identity, archive.head.uid, content, call)
    if (totals.sha256 === archive.totals.sha256) return
    throw new SandboxError('backup_damaged', 'The backup does not hold the files that were copied.')
  }

  #refuseTooLarge(kind: BackupKind, { bytes }: SpooledArchive): void {
    const { snapshotBytes } = this.#deps.retention
    if (kind !== 'snapshot' || bytes <= snapshotBytes) return
    throw new SandboxError(
      'too_large',
      `The snapshot has ${formatBytes(bytes)} compressed; all snapshots of a user may have ${formatBytes(snapshotBytes)}.`,
      { hint: 'Delete what can be made again (caches, dependencies), or ask the operator for a backup.' },
    )
  }

  /** What is kept too long is no reason to tell that a backup failed. */
  async #tidy(identity: SandboxIdentity, shelf: Shelf, newest: BackupFacts): Promise<void> {
    try {
      const { archive } = await resolveOwner(this.#deps.engine, identity)
      const all = await shelf.list()
      const old = superseded(all, newest, this.#deps.retention, Date.now()).filter(({ id }) => id !== archive)
      for (const { id } of old) await shelf.remove(id)
      await shelf.sweep(STALE_MS)
      await (await this.#deps.target()).sweep(STALE_MS)
    } catch (err) {
      this.#deps.logger.warn({ user: identity.userHash, err }, 'old backups could not be removed')
    }
  }

  async #shelf(identity: SandboxIdentity): Promise<Shelf> {
    return new Shelf(await this.#deps.target(), identity.userHash)
  }
}
