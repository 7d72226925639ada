import type { Engine, ImageDetails } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { fromTag, runtimeTag, UNMEASURED_REPOSITORY } from './digest.ts'
import { RUNTIME_LABELS, RUNTIME_ROLE, UNMEASURED_ROLE } from './ready-runtime.ts'

/** More than a build, its measuring and the start of a first sandbox take: what is younger may be in the hands of another server. */
export const IN_THE_MAKING_MS = 2 * 60 * 60_000
/**
 * What is superseded for this server may be current for another, of another version or with other definitions, whose sandboxes all sleep
 * just now. It would have to build again: by so much time, that happens to it once a week at most.
 */
export const SUPERSEDED_KEPT_MS = 7 * 24 * 60 * 60_000

export interface PruneOptions {
  readonly engine: Engine
  readonly logger: Logger
  /** The present digest of each runtime whose older images are to go. */
  readonly current: ReadonlyMap<string, string>
  /** How long a superseded image stays after it was tagged last; at least {@link IN_THE_MAKING_MS}. */
  readonly keptMs: number
  /** Unix milliseconds. */
  readonly now: number
}

/**
 * Removes images that are of no use any more: those that a runtime had before its present one, the names of bases that none needs, and
 * what servers that died in mid-build left unmeasured. They are found by their labels alone. One that a container uses, running or not,
 * stays for a later call, and so does a young one, and one of which the engine does not say when it was tagged. Gives the ids of the
 * images that went.
 */
export async function pruneImages(options: PruneOptions): Promise<readonly string[]> {
  const { engine, logger } = options
  const all = await engine.images.list({ [RUNTIME_LABELS.role]: RUNTIME_ROLE })
  const old = oldOnes(all, options)
  const gone: ImageDetails[] = []
  for (const image of old) {
    if (await removeUnlessUsed(engine, image, nameOf(image))) gone.push(image)
  }
  await removeBases(
    gone,
    all.filter((image) => !gone.includes(image)),
    options,
  )
  const unmeasured = await removeUnmeasured(options)
  if (old.length > 0 || unmeasured > 0) {
    logger.info({ removed: gone.length, inUse: old.length - gone.length, unmeasured }, 'removed old images')
  }
  return gone.map(({ id }) => id)
}

/** What {@link pruneImages} would remove, if no container uses it. Changes nothing. */
export async function findOldImages(options: Omit<PruneOptions, 'logger'>): Promise<readonly ImageDetails[]> {
  const { engine } = options
  const all = await engine.images.list({ [RUNTIME_LABELS.role]: RUNTIME_ROLE })
  const unmeasured = await engine.images.list({ [RUNTIME_LABELS.role]: UNMEASURED_ROLE })
  return [...oldOnes(all, options), ...unmeasured.filter((image) => isOlderThan(0, image, options))]
}

function oldOnes(all: readonly ImageDetails[], options: Omit<PruneOptions, 'logger'>): readonly ImageDetails[] {
  return all.filter((image) => isSuperseded(image, options.current) && isOlderThan(options.keptMs, image, options))
}

/** Also one of the present digest that has lost its tag to a newer build of the same. */
function isSuperseded({ labels, tags }: ImageDetails, current: PruneOptions['current']): boolean {
  const digest = current.get(labels[RUNTIME_LABELS.runtime] ?? '')
  return digest !== undefined && (labels[RUNTIME_LABELS.digest] !== digest || tags.length === 0)
}

function isOlderThan(ms: number, { taggedAtMs }: ImageDetails, { now }: Pick<PruneOptions, 'now'>): boolean {
  return taggedAtMs !== undefined && now - taggedAtMs > Math.max(ms, IN_THE_MAKING_MS)
}

/** What the image was built as; tags that somebody else gave it are theirs. */
function nameOf({ labels }: ImageDetails): string {
  return runtimeTag(labels[RUNTIME_LABELS.runtime] ?? '', labels[RUNTIME_LABELS.digest] ?? '')
}

/** The names that builds gave to the bases of images that are gone. The bases themselves stay if they have another name. */
async function removeBases(
  gone: readonly ImageDetails[],
  kept: readonly ImageDetails[],
  options: PruneOptions,
): Promise<void> {
  const { engine } = options
  const baseOf = ({ labels }: ImageDetails) => labels[RUNTIME_LABELS.base]
  for (const id of new Set(gone.map(baseOf))) {
    if (id === undefined || kept.some((image) => baseOf(image) === id)) continue
    const base = await engine.images.inspect(fromTag(id))
    if (base && isOlderThan(0, base, options)) await removeUnlessUsed(engine, base, fromTag(id))
  }
}

async function removeUnmeasured(options: PruneOptions): Promise<number> {
  const { engine } = options
  let count = 0
  for (const image of await engine.images.list({ [RUNTIME_LABELS.role]: UNMEASURED_ROLE })) {
    if (isOlderThan(0, image, options) && (await removeUnlessUsed(engine, image, UNMEASURED_REPOSITORY))) count++
  }
  return count
}

/** Takes the tags that begin with `name` off the image; without any tag it is removed itself. False when a container uses it. */
async function removeUnlessUsed(engine: Engine, { id, tags }: ImageDetails, name: string): Promise<boolean> {
  // Some engines put the registry before it: "docker.io/…", "localhost/…".
  const ours = tags.filter((tag) => tag.startsWith(name) || tag.includes(`/${name}`))
  try {
    // Not by id as long as there are tags: an image with several of them is not removed by its id.
    for (const reference of tags.length > 0 ? ours : [id]) await engine.images.remove(reference)
    return true
  } catch (error) {
    if (isSandboxError(error, 'engine_failed') && error.details['status'] === 409) return false
    throw error
  }
}
