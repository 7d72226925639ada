import type { ContainerDetails, ContainerState, Engine } from '../engine/engine.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import type { Telemetry } from '../lib/telemetry.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import { ConnectionLost, SupervisorSilent } from '../supervisor/errors.ts'
import { connectPatiently } from './connect.ts'
import { uidFromLabels } from './identity.ts'
import type { HungBridges } from './recovery/hung-bridges.ts'
import { recover } from './recovery/ladder.ts'
import type { Symptom } from './recovery/steps.ts'

export interface BringUpDeps {
  readonly engine: Engine
  readonly hungBridges: HungBridges
  readonly logger: Logger
  readonly telemetry: Telemetry
}

export interface BringUpOptions {
  readonly signal?: AbortSignal | undefined
  /** The container whose connections were cut from inside again and again: it is brought to rest before it is used. */
  readonly unfit?: string | undefined
}

/** The way to a supervisor that answers. */
export interface BroughtUp {
  readonly client: SupervisorClient
  /** What ran in it was ended to get there. */
  readonly isRevived: boolean
}

/**
 * Makes a container run and opens the way to its supervisor. `changed`: it is no longer as it was found, so look again · `dead`: it does not
 * answer, whatever was tried. Rejects with the engine's error when it is the engine that does not answer: then nothing was ended.
 *
 * @param mayHoldWork false for a container that was made just now: no recovery is worth its time
 */
export async function bringUp(
  deps: BringUpDeps,
  found: ContainerDetails,
  { signal, unfit }: BringUpOptions,
  mayHoldWork: boolean,
): Promise<BroughtUp | 'changed' | 'dead'> {
  const { engine, hungBridges, logger } = deps
  const started = await makeRun(engine, found, signal)
  if (!started) return 'changed'
  if (found.id === unfit && mayHoldWork) return await revive(deps, found, 'cut', signal)
  try {
    const client = await connectPatiently(engine, found.id, signal)
    hungBridges.opened()
    return { client, isRevived: false }
  } catch (error) {
    if (isSandboxError(error, 'not_found')) return 'changed'
    if (!isNoAnswer(error)) throw error
    // This is also what tells a silent engine from a silent sandbox: it rejects when the engine does not answer.
    if (await hasChanged(engine, found.id, 'running', signal)) return 'changed'
    logger.warn({ container: found.id, err: error }, 'sandbox does not answer')
    if (!mayHoldWork) {
      if (error instanceof ConnectionLost) return 'dead'
      throw error
    }
    if (isHang(error) && hungBridges.hung(found.id)) throw startsNothing(error)
    return await revive(deps, found, 'silent', signal)
  }
}

/** Resolves to false when the container is no longer as it was found. */
async function makeRun(engine: Engine, { id, state }: ContainerDetails, signal?: AbortSignal): Promise<boolean> {
  const call = signal ? { signal } : {}
  try {
    if (state === 'paused') await engine.containers.unpause(id, call)
    if (state === 'created') await engine.containers.start(id, call)
    return true
  } catch (error) {
    if (isSandboxError(error, 'not_found')) return false
    if (!isSandboxError(error, 'engine_failed')) throw error
    if (await hasChanged(engine, id, state, signal)) return false
    // One that the engine cannot start would stand in the way of a better one, of a mended image.
    if (state === 'created') await engine.containers.remove(id, call)
    throw error
  }
}

/** True when the container is no longer so: engines word the failure of an exec in a dying container in many ways. */
async function hasChanged(engine: Engine, id: string, from: ContainerState, signal?: AbortSignal): Promise<boolean> {
  const now = await engine.containers.inspect(id, signal ? { signal } : {})
  return now?.state !== from
}

async function revive(
  deps: BringUpDeps,
  { id, startedAtMs, labels }: ContainerDetails,
  symptom: Symptom,
  signal?: AbortSignal,
): Promise<BroughtUp | 'changed' | 'dead'> {
  const uid = uidFromLabels(labels)
  if (uid === undefined) return 'dead'
  const recovery = await recover(deps, { id, startedAtMs, uid }, symptom, signal)
  if (recovery === 'exhausted') return 'dead'
  return recovery === 'changed' ? recovery : { client: recovery, isRevived: true }
}

/** No bridge could be started, or it was, and nothing came of it. */
function isNoAnswer(error: unknown): boolean {
  return (
    error instanceof ConnectionLost ||
    isSandboxError(error, 'engine_failed') ||
    isSandboxError(error, 'engine_unreachable')
  )
}

/** Silence of the supervisor, or of the engine that was asked to start a bridge. A refusal is none. */
function isHang(error: unknown): boolean {
  return error instanceof SupervisorSilent || isSandboxError(error, 'engine_unreachable')
}

function startsNothing(cause: unknown): SandboxError {
  return new SandboxError(
    'engine_unreachable',
    'The container engine answers, but starts no program in any container.',
    {
      hint: 'It may be overloaded or hung. Try again; if that fails, restart the container engine. The sandboxes were left as they are.',
      cause,
    },
  )
}
