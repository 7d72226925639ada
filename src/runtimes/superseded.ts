import type { Engine, ImageDetails } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { fromTag } from './digest.ts'
import { RUNTIME_LABELS, RUNTIME_ROLE } from './ready-runtime.ts'

/**
 * Removes the images that `runtime` had before `currentDigest`, found by their labels alone. One that a container uses, running or
 * not, stays until a later call. Gives the ids of the images that went.
 */
export async function removeSuperseded(
  engine: Engine,
  logger: Logger,
  runtime: string,
  currentDigest: string,
): Promise<readonly string[]> {
  const all = await engine.images.list({ [RUNTIME_LABELS.role]: RUNTIME_ROLE })
  const old = all.filter(
    ({ labels }) => labels[RUNTIME_LABELS.runtime] === runtime && labels[RUNTIME_LABELS.digest] !== currentDigest,
  )
  const gone: ImageDetails[] = []
  for (const image of old) {
    if (await removeUnlessUsed(engine, image)) gone.push(image)
  }
  const kept = all.filter((image) => !gone.includes(image))
  for (const base of new Set(gone.map(({ labels }) => labels[RUNTIME_LABELS.base]))) {
    const isNeeded = kept.some(({ labels }) => labels[RUNTIME_LABELS.base] === base)
    if (base !== undefined && !isNeeded) await removeUnlessUsed(engine, { tags: [fromTag(base)] })
  }
  if (old.length > 0)
    logger.info({ runtime, removed: gone.length, inUse: old.length - gone.length }, 'removed superseded images')
  return gone.map(({ id }) => id)
}

/** False when a container uses the image. */
async function removeUnlessUsed(
  engine: Engine,
  { id, tags }: { id?: string; tags: readonly string[] },
): Promise<boolean> {
  // By tag: an image with several of them is not removed by its id.
  const names = tags.length > 0 || id === undefined ? tags : [id]
  try {
    for (const name of names) await engine.images.remove(name)
    return true
  } catch (error) {
    if (isSandboxError(error, 'engine_failed') && error.details['status'] === 409) return false
    throw error
  }
}
