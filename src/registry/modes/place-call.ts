import { randomBytes } from 'node:crypto'
import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import type { ReadyRuntime } from '../../runtimes/ready-runtime.ts'
import type { SupervisorClient } from '../../supervisor/client.ts'
import { containerLabels, LABEL, type SandboxIdentity } from '../identity.ts'
import { connect } from '../connect.ts'
import { resolveOwner } from '../owner.ts'
import { ensureWorkspace, type PlacementDeps, type PlacementOptions, presentOwner } from '../placement.ts'
import { containerSpec } from '../sandbox-spec.ts'

/** The container of one call, whose supervisor answers. */
export interface PlacedCall {
  readonly client: SupervisorClient
  readonly containerId: string
  readonly runtime: ReadyRuntime
  /** The user had no files before. */
  readonly isNew: boolean
}

/** A server that is killed leaves the container behind: it ends by itself after so long without one, in milliseconds. */
const IDLE_EXIT_MS = 60_000
const RANDOM_BYTES = 8
/** Servers may decide in turns whose a workspace is; more rounds mean that something else is wrong. */
const MAX_ROUNDS = 5

/**
 * Makes a container for one call of the user, on their workspace. It has a name of its own, so that calls do not wait for each other, and a role of
 * its own, so that nobody takes it for the user's sandbox. What could not be brought to answer is removed.
 */
export async function placeCall(
  deps: PlacementDeps,
  identity: SandboxIdentity,
  runtimeName: string,
  options: PlacementOptions,
): Promise<PlacedCall> {
  const { engine, policy } = deps
  const { signal, onProgress } = options
  const call = signal ? { signal } : {}
  const runtime = await deps.runtime(runtimeName, options)
  onProgress?.('starting a sandbox for this call')
  let used = runtime
  const make = (workspace: Workspace) => (of: ReadyRuntime) => {
    const { volumeName, uid } = workspace
    const labels = { ...containerLabels(identity, of.name, of.digest, uid), [LABEL.role]: 'call' }
    const name = `${identity.containerName}-call-${randomBytes(RANDOM_BYTES).toString('hex')}`
    return engine.containers.create(
      containerSpec({ name, labels, uid, volumeName }, of, { ...policy, idleExitMs: IDLE_EXIT_MS }),
      call,
    )
  }
  const { containerId, isNew } = await onWorkspace(deps, identity, options, async (workspace) => {
    const { id } = await make(workspace)(runtime).catch(async (error: unknown) => {
      if (!isSandboxError(error, 'image_unavailable')) throw error
      // Somebody removed the image since it was looked at.
      deps.forgetRuntime(runtime.name)
      used = await deps.runtime(runtime.name, options)
      return make(workspace)(used)
    })
    return id
  })
  try {
    await engine.containers.start(containerId, call)
    return { client: await connect(engine, containerId, { signal }), containerId, runtime: used, isNew }
  } catch (error) {
    // The caller's signal may have fired.
    await engine.containers.remove(containerId)
    throw error
  }
}

interface Workspace {
  readonly volumeName: string
  readonly uid: number
  readonly isNew: boolean
}

/**
 * Makes a container on the user's workspace, and looks once more whose it is before anything starts in it: from then on the volume is in use, so that it
 * can neither be archived nor replaced without notice.
 */
async function onWorkspace(
  deps: PlacementDeps,
  identity: SandboxIdentity,
  options: PlacementOptions,
  make: (workspace: Workspace) => Promise<string>,
): Promise<{ readonly containerId: string; readonly isNew: boolean }> {
  const { engine } = deps
  const call = options.signal ? { signal: options.signal } : {}
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    const owner = await presentOwner(deps, identity, options)
    const { volumeName } = owner
    const workspace = await ensureWorkspace(deps, owner, options.signal)
    if (!workspace) continue
    const containerId = await make({ ...workspace, volumeName })
    const now = await resolveOwner(engine, identity, call).catch(async (error: unknown) => {
      await engine.containers.remove(containerId)
      throw error
    })
    const isStill = now.volumeName === volumeName && now.archive === undefined && now.archiving === undefined
    if (isStill) return { containerId, isNew: workspace.isNew }
    await engine.containers.remove(containerId)
  }
  throw new SandboxError('sandbox_busy', 'Other servers keep changing whose files these are.')
}
