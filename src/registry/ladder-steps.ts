import type { Engine } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { ConnectionLost } from '../supervisor/errors.ts'
import { HOLD_MS, underHold } from './eviction-hold.ts'
import type { PlacedSandbox } from './placement.ts'

export interface StepDeps {
  readonly engine: Engine
  readonly logger: Logger
}

/** A sandbox that this server has placed. */
export interface Standing {
  readonly placed: PlacedSandbox
  /** Its container is paused, as far as this server knows; the connection outlives that. */
  isFrozen: boolean
}

/** How long a supervisor may take to say whether its sandbox may go, in milliseconds. */
const EVICTION_ANSWER_MS = 10_000

/**
 * Pauses the container if nobody has used the sandbox for `minIdleMs`, by leave of its supervisor, which knows of every server's use. Resolves to
 * whether it did; what fails is logged, and leaves the sandbox as it was.
 */
export async function freeze({ engine, logger }: StepDeps, standing: Standing, minIdleMs: number): Promise<boolean> {
  const { client, containerId } = standing.placed
  try {
    const { ok } = await client.quiesce(minIdleMs, HOLD_MS, { deadlineMs: EVICTION_ANSWER_MS })
    if (!ok) return false
    // Not renewed: what is asked of a frozen supervisor stays open. If pausing takes longer, calls in between are found by their silence.
    await engine.containers.pause(containerId)
  } catch (error) {
    logger.warn({ container: containerId, err: error }, 'freezing failed')
    return false
  }
  standing.isFrozen = true
  logger.info({ container: containerId }, 'frozen; files and processes stay')
  return true
}

/**
 * Lets a frozen sandbox go on. Resolves to false when it is not there any more, or does not run: its place has to be found anew. Rejects when
 * the engine does not answer.
 */
export async function thaw({ engine, logger }: StepDeps, standing: Standing): Promise<boolean> {
  const { client, containerId } = standing.placed
  try {
    await engine.containers.unpause(containerId)
    standing.isFrozen = false
    // This server's own hold, if it has not run out.
    await client.quiesce(0, 0)
  } catch (error) {
    const isGone = isSandboxError(error, 'not_found') || isSandboxError(error, 'engine_failed')
    if (!isGone && !(error instanceof ConnectionLost)) throw error
    logger.warn({ container: containerId, err: error }, 'the frozen sandbox is gone')
    client.connection.close('gone')
    return false
  }
  return true
}

/**
 * Removes the container if nobody has used the sandbox for `minIdleMs`, under a hold of its supervisor, which knows of every server's use. A
 * frozen one is thawed for that, and stays so when the hold is refused. Resolves to whether it did; what fails is logged.
 */
export async function evict({ engine, logger }: StepDeps, standing: Standing, minIdleMs: number): Promise<boolean> {
  const { client, containerId } = standing.placed
  try {
    if (standing.isFrozen) {
      await engine.containers.unpause(containerId)
      standing.isFrozen = false
    }
    const remove = () => engine.containers.remove(containerId)
    if (!(await underHold(client, minIdleMs, EVICTION_ANSWER_MS, remove))) return false
  } catch (error) {
    logger.warn({ container: containerId, err: error }, 'eviction failed')
    return false
  }
  client.connection.close('evicted')
  logger.info({ container: containerId }, 'evicted; the files stay')
  return true
}
