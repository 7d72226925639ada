import type { ContainerDetails, Engine } from '../../engine/engine.ts'
import { isSandboxError } from '../../errors/sandbox-error.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Telemetry } from '../../lib/telemetry.ts'
import type { SupervisorClient } from '../../supervisor/client.ts'
import { ConnectionLost } from '../../supervisor/errors.ts'
import { underHold } from '../eviction-hold.ts'
import type { Drift, Outdated } from './drift.ts'

export interface AdjustDeps {
  readonly engine: Engine
  readonly logger: Logger
  readonly telemetry: Telemetry
}

/** So long nobody may have used a sandbox that is made anew for other settings, in milliseconds: its user is not in the middle of something. */
export const DRIFT_IDLE_MS = 60_000
const ANSWER_MS = 10_000

/**
 * Brings a running sandbox up to this server's settings as far as it goes without a loss: limits in place. For the rest it has to be made anew:
 * at once if nobody uses it, by any server (`removed`, while the supervisor held it), else later, for the reasons that it resolves to.
 * A sandbox that could not be adjusted is no worse than before, so only the caller's own cancel rejects.
 */
export async function adjust(
  deps: AdjustDeps,
  found: ContainerDetails,
  drift: Drift,
  client: SupervisorClient,
  signal?: AbortSignal,
): Promise<readonly Outdated[] | 'removed'> {
  const isUpdated = await updateLimits(deps, found, drift, signal)
  const outdated: readonly Outdated[] = isUpdated ? drift.outdated : [...drift.outdated, 'limits']
  if (outdated.length === 0) return []
  const isRemoved = await removeIfIdle(deps.engine, found.id, client)
  for (const each of outdated) deps.telemetry.sandboxDrift(each, isRemoved ? 'recreated' : 'deferred')
  deps.logger.info({ container: found.id, outdated, isRemoved }, 'sandbox was made with other settings')
  return isRemoved ? 'removed' : outdated
}

/** Resolves to false when the engine or the kernel refused. */
export async function updateLimits(
  { engine, logger, telemetry }: AdjustDeps,
  { id }: ContainerDetails,
  { limits }: Drift,
  signal?: AbortSignal,
): Promise<boolean> {
  if (!limits) return true
  try {
    await engine.containers.update(id, limits, signal ? { signal } : {})
  } catch (error) {
    if (!isSandboxError(error) || error.code === 'cancelled') throw error
    logger.warn({ container: id, limits, err: error }, 'limits could not be changed in place')
    return false
  }
  telemetry.sandboxDrift('limits', 'updated')
  logger.info({ container: id, limits }, 'limits changed in place')
  return true
}

async function removeIfIdle(engine: Engine, containerId: string, client: SupervisorClient): Promise<boolean> {
  try {
    return await underHold(client, DRIFT_IDLE_MS, ANSWER_MS, () => engine.containers.remove(containerId))
  } catch (error) {
    if (error instanceof ConnectionLost) return false
    throw error
  }
}
