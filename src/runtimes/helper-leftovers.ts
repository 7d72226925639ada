import type { ContainerSummary, Engine, Labels } from '../engine/engine.ts'
import { FROZEN_LABEL, SINCE_LABEL } from './helper-spec.ts'

/** A helper is started right after it was made: one that was not within this time, in milliseconds, has no server any more. */
const START_MS = 5 * 60_000

/**
 * True for a helper container that no server waits for any more. Without a time it is none, whatever else its labels say: whoever runs the image of a
 * runtime by hand has a container with the image's labels.
 */
export function isAbandoned({ state, labels }: ContainerSummary): boolean {
  const since = labels[SINCE_LABEL]
  if (since === undefined) return false
  return state === 'exited' || (state === 'created' && Date.now() - Number(since) > START_MS)
}

/** Lets the container go on that stood still for a helper which nobody waits for. To be done before that helper goes: it alone knows of it. */
export async function letGo(engine: Engine, { labels }: { readonly labels: Labels }): Promise<void> {
  const frozen = labels[FROZEN_LABEL]
  if (frozen !== undefined) await thaw(engine, frozen)
}

/** Lets a container go on. One that is gone, or that somebody else has thawed, is well. */
export async function thaw(engine: Engine, containerId: string): Promise<void> {
  try {
    await engine.containers.unpause(containerId)
  } catch (error) {
    const now = await engine.containers.inspect(containerId)
    if (now?.state === 'paused') throw error
  }
}
