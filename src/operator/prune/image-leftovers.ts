import type { RuntimeImages } from '../../runtimes/image-builder.ts'
import type { Leftover } from './leftover.ts'

/** Images that newer ones supersede, and what builds that died left; `keptMs` after they were tagged last. */
export async function imageLeftovers(
  images: Pick<RuntimeImages, 'findOld' | 'prune'>,
  names: readonly string[],
  keptMs: number,
): Promise<readonly Leftover[]> {
  // All of them at once: a base goes with the last image that was made from it.
  let pruned: Promise<ReadonlySet<string>> | undefined
  const prune = async () => {
    await images.prune(names, keptMs)
    return new Set((await images.findOld(names, keptMs)).map(({ id }) => id))
  }
  return (await images.findOld(names, keptMs)).map(({ id, tags, sizeBytes }) => ({
    kind: 'superseded images',
    name: tags[0] ?? id,
    bytes: sizeBytes,
    isSuspect: false,
    remove: async () => !(await (pruned ??= prune())).has(id),
  }))
}
