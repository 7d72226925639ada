import type { Engine, VolumeDetails } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import { belongsTo, isSlot, LABEL } from '../registry/identity.ts'
import { listOwned, type Owned } from '../registry/owned.ts'
import { isAbandoned, letGo } from '../runtimes/helper-leftovers.ts'
import { SINCE_LABEL } from '../runtimes/helper-spec.ts'
import { REPLACES_LABEL, scratchLabels } from './copy-in.ts'
import type { BackupScene } from './scene.ts'
import { helperLabels } from './workspace-helper.ts'

/** Younger volumes may be in the making, in milliseconds: longer than any restore takes to its owner record. */
const STALE_MS = 6 * 3_600_000

/**
 * What a server that died in the middle of a copy left: a sandbox that stands still (let go), helper containers, volumes that no record names,
 * and files that a restore took the place of. Nothing that a record names is touched, and nothing that the engine says is in use. Resolves to
 * how much was found.
 */
export async function sweepLeftovers(
  scene: Pick<BackupScene, 'engine' | 'logger'>,
  installation: string,
): Promise<number> {
  const { engine, logger } = scene
  const helpers = (await engine.containers.list(helperLabels(installation))).filter(isAbandoned)
  for (const helper of helpers) {
    await letGo(engine, helper)
    await engine.containers.remove(helper.id)
  }
  const volumes = await engine.volumes.list({ [LABEL.installation]: installation })
  const users = await listOwned(engine, installation)
  const stale = [
    ...(await engine.volumes.list(scratchLabels(installation))).filter(isStale),
    ...volumes.filter((volume) => isUnnamed(volume, users)),
    ...volumes.filter((volume) => isReplaced(volume, users)),
  ]
  let removed = helpers.length
  for (const { name } of stale) if (await removeIfUnused(engine, name)) removed++
  if (removed > 0) logger.info({ removed }, 'removed what copies of workspaces had left behind')
  return removed
}

function isStale({ labels }: VolumeDetails): boolean {
  const since = Number(labels[SINCE_LABEL])
  return Number.isFinite(since) && Date.now() - since > STALE_MS
}

/** Came from an archive, and the user's record names another volume. Without a record nothing is certain, and nothing is removed. */
function isUnnamed(volume: VolumeDetails, users: readonly Owned[]): boolean {
  if (volume.labels[REPLACES_LABEL] === undefined || !isStale(volume)) return false
  const owner = users.find(({ owner: { identity } }) => belongsTo(volume.labels, identity, 'workspace'))?.owner
  return owner !== undefined && owner.generation > 0 && owner.volumeName !== volume.name
}

/** The record names a volume that took this one's place. */
function isReplaced(volume: VolumeDetails, users: readonly Owned[]): boolean {
  return users.some(({ owner, workspace }) => {
    if (owner.generation === 0 || owner.volumeName === volume.name) return false
    if (workspace?.labels[REPLACES_LABEL] !== volume.name) return false
    return belongsTo(volume.labels, owner.identity, 'workspace') || isSlot(volume, owner.identity.installation)
  })
}

async function removeIfUnused(engine: Engine, name: string): Promise<boolean> {
  try {
    await engine.volumes.remove(name)
    return true
  } catch (error) {
    // In use.
    if (isSandboxError(error, 'engine_failed')) return false
    throw error
  }
}
