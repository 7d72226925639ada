import { randomBytes } from 'node:crypto'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { ArchiveOptions, Archiver } from '../registry/archiver.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import { listCallContainers } from '../registry/modes/call-containers.ts'
import { findContainer, findWorkspace, type Owner, replaceOwner, resolveOwner } from '../registry/owner.ts'
import type { Backups } from './backups.ts'
import type { BackupScene } from './scene.ts'

/**
 * The last step of the ladder, and the way back. The order is the safety: the intent, a copy that was restored on trial, the record that names the copy,
 * then the volume. Whoever comes to use the files replaces the record of the intent before anything starts, and each record follows one other,
 * so that the copy is named only when nobody has been there since it was begun. Whatever dies in between, the files are on the volume, in the backup, or
 * in both, and the record names the place from which they come back.
 */
export function archiverOf(backups: Backups, { engine, logger }: Pick<BackupScene, 'engine' | 'logger'>): Archiver {
  const isUsed = async (owner: Owner): Promise<boolean> =>
    (await findContainer(engine, owner)) !== undefined || (await listCallContainers(engine, owner.identity)).length > 0

  /** Whether the volume is gone. One that a container uses stays: somebody has come back. */
  const removeVolume = async ({ volumeName }: Owner): Promise<boolean> => {
    try {
      await engine.volumes.remove(volumeName)
      return true
    } catch (error) {
      if (!isSandboxError(error, 'engine_failed')) throw error
      return (await engine.volumes.inspect(volumeName)) === undefined
    }
  }

  const forget = (identity: SandboxIdentity, id: string): Promise<void> =>
    backups.remove(identity, id).catch((err: unknown) => {
      logger.warn({ user: identity.userHash, backup: id, err }, 'a backup that is not needed is left to the retention')
    })

  /** The record that names the backup; undefined when somebody has been there since the copy was begun. */
  const nameCopy = async (intent: Owner, archive: string): Promise<Owner | undefined> => {
    try {
      return await replaceOwner(engine, intent, { workspace: intent.volumeName, archive })
    } catch (error) {
      if (isSandboxError(error, 'sandbox_busy')) return undefined
      throw error
    }
  }

  return {
    async archive(identity, options: ArchiveOptions = {}) {
      const { signal } = options
      const owner = await resolveOwner(engine, identity)
      if (owner.archive !== undefined) {
        // Whoever was here before died between the record and the volume. That the backup is there is looked at once more.
        await backups.find(identity, owner.archive)
        return await removeVolume(owner)
      }
      if (!(await findWorkspace(engine, owner)) || (await isUsed(owner))) return false
      const intent = await replaceOwner(engine, owner, {
        workspace: owner.volumeName,
        archiving: randomBytes(8).toString('hex'),
      })
      // What had read the record before has its container by now, or will read it again before that starts.
      if (await isUsed(owner)) return false
      const { id, totals } = await backups
        .create(identity, { ...options, kind: 'archive', verify: true })
        .catch((error: unknown) => {
          signal?.throwIfAborted()
          throw error
        })
      if (totals.skipped.unreadable > 0) {
        await forget(identity, id)
        throw notWhole(totals.skipped.unreadable)
      }
      const archived = signal?.aborted ? undefined : await nameCopy(intent, id)
      if (archived && (await removeVolume(archived))) {
        logger.info({ user: identity.userHash, backup: id }, 'archived: the files are in a backup')
        return true
      }
      if (archived) await replaceOwner(engine, archived, { workspace: owner.volumeName })
      await forget(identity, id)
      signal?.throwIfAborted()
      return false
    },

    async restore(identity, archive, options: ArchiveOptions = {}) {
      const owner = await resolveOwner(engine, identity)
      // Another server was faster.
      if (owner.archive !== archive) return
      try {
        await backups.restore(identity, await backups.find(identity, archive), options)
      } catch (cause) {
        if (isSandboxError(cause, 'sandbox_busy') && (await resolveOwner(engine, identity)).archive !== archive) return
        if (!isOutOfReach(cause)) throw cause
        throw new SandboxError(
          'archive_unavailable',
          'The files of this sandbox are in a backup that cannot be read.',
          {
            cause,
          },
        )
      }
    },
  }
}

function notWhole(unreadable: number): SandboxError {
  return new SandboxError(
    'engine_failed',
    `${unreadable} of the user's files cannot be copied, so they stay where they are.`,
    {
      hint: 'They do not belong to the user of the sandbox, or lie on a mount below the workspace: chown them, or remove them.',
    },
  )
}

function isOutOfReach(error: unknown): boolean {
  return (['backup_unavailable', 'backup_damaged', 'not_found', 'invalid_argument'] as const).some((code) =>
    isSandboxError(error, code),
  )
}
