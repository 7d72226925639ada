import type { Engine } from '../engine/engine.ts'
import type { Logger } from '../lib/logger.ts'
import { type Owner, replaceOwner, resolveOwner } from '../registry/owner.ts'
import { removeWorkspaceOf } from '../registry/take-down.ts'

/**
 * Makes a filled volume the user's workspace, in the one step that a new owner record is; the old container and volume go after it. Until
 * that step all is as it was, from there on the new files are the user's, whoever dies: a container on the old volume is not adopted any more,
 * and what is left of the old files is removed by the sweep, which finds them by the label of the new volume.
 */
export async function putInPlace(engine: Engine, owner: Owner, volumeName: string, logger: Logger): Promise<void> {
  try {
    await replaceOwner(engine, owner, { workspace: volumeName })
  } catch (error) {
    await dropUnlessNamed(engine, owner, volumeName, logger)
    throw error
  }
  // Again and again while another server that had read the old record starts the sandbox on the old files.
  await removeWorkspaceOf(engine, owner).catch((err: unknown) => {
    logger.warn({ volume: owner.volumeName, err }, 'the replaced files are left to the sweep')
  })
}

/** An answer that was lost does not tell whether the step was done: the record does. */
async function dropUnlessNamed(engine: Engine, { identity }: Owner, volumeName: string, logger: Logger): Promise<void> {
  try {
    const now = await resolveOwner(engine, identity)
    if (now.volumeName !== volumeName) await engine.volumes.remove(volumeName)
  } catch (err) {
    logger.warn({ volume: volumeName, err }, 'a volume that may be of no use is left to the sweep')
  }
}
