import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { ArchiveOptions, Archiver } from '../registry/archiver.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import { findContainer, findWorkspace, type Owner, replaceOwner, resolveOwner } from '../registry/owner.ts'
import type { Backups } from './backups.ts'
import type { BackupScene } from './scene.ts'

/**
 * The last step of the ladder, and the way back. The order is the safety: a backup that was restored on trial, then the record that
 * names it, then the volume. Whatever dies in between, the files are on the volume, in the backup, or in both, and the record names
 * the place from which they come back.
 */
export function archiverOf(backups: Backups, { engine, logger }: Pick<BackupScene, 'engine' | 'logger'>): Archiver {
  const isUsed = async (owner: Owner): Promise<boolean> => {
    return (await findContainer(engine, owner)) !== undefined
  }

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

  return {
    async archive(identity, options: ArchiveOptions = {}) {
      const owner = await resolveOwner(engine, identity)
      if (owner.archive !== undefined) {
        // Whoever was here before died between the record and the volume. That the backup is there is looked at once more.
        await backups.find(identity, owner.archive)
        return await removeVolume(owner)
      }
      if (!(await findWorkspace(engine, owner)) || (await isUsed(owner))) return false
      const { id } = await backups
        .create(identity, { ...options, kind: 'archive', verify: true })
        .catch((error: unknown) => {
          options.signal?.throwIfAborted()
          throw error
        })
      if (options.signal?.aborted || (await isUsed(owner))) {
        await forget(identity, id)
        options.signal?.throwIfAborted()
        return false
      }
      const archived = await replaceOwner(engine, owner, { workspace: owner.volumeName, archive: id })
      if (await removeVolume(archived)) {
        logger.info({ user: identity.userHash, backup: id }, 'archived: the files are in a backup')
        return true
      }
      await replaceOwner(engine, archived, { workspace: owner.volumeName })
      await forget(identity, id)
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

function isOutOfReach(error: unknown): boolean {
  return (['backup_unavailable', 'backup_damaged', 'not_found', 'invalid_argument'] as const).some((code) =>
    isSandboxError(error, code),
  )
}
