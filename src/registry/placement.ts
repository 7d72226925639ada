import { setTimeout as delay } from 'node:timers/promises'
import type { ContainerDetails, Engine, EngineInfo } from '../engine/engine.ts'
import { findMismatches } from '../engine/verify.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import type { ReadyRuntime } from '../runtimes/image-builder.ts'
import { SupervisorClient } from '../supervisor/client.ts'
import { Connection } from '../supervisor/connection.ts'
import { ConnectionLost } from '../supervisor/errors.ts'
import { BRIDGE_UID, SUPERVISOR_PATH } from '../supervisor/protocol.ts'
import type { Archiver } from './archiver.ts'
import { LABEL, type SandboxIdentity, uidFromLabels, uidOf, volumeLabels } from './identity.ts'
import { ensureOwner, findContainer, findWorkspace, type Owner, resolveOwner } from './owner.ts'
import { readChoice } from './runtime-choice.ts'
import { makeWorkspace } from './quota/make-workspace.ts'
import { containerSpec, type SandboxPolicy, userPlace } from './sandbox-spec.ts'

export interface PlacementDeps {
  readonly engine: Engine
  readonly policy: SandboxPolicy
  /** What the engine says of itself; remembered, since it cannot change while it runs. */
  readonly info: () => Promise<EngineInfo>
  /** The image of a runtime, built if need be; remembers the answer. */
  readonly runtime: (name: string, options: PlacementOptions) => Promise<ReadyRuntime>
  /** Names of the runtimes that there are. */
  readonly runtimes: readonly string[]
  /** Forgets that image, so that the next `runtime` looks for it, and builds it, again. */
  readonly forgetRuntime: (name: string) => void
  /** Brings back the files of a user who was archived. */
  readonly archiver?: Archiver | undefined
  readonly logger: Logger
}

export interface PlacementOptions {
  readonly signal?: AbortSignal | undefined
  /** What is being done, for whoever waits. */
  readonly onProgress?: ((text: string) => void) | undefined
}

/** A sandbox whose supervisor answers. */
export interface PlacedSandbox {
  readonly client: SupervisorClient
  /** Id of the container: another one means that only the workspace survived. */
  readonly containerId: string
  /** found: it ran already · thawed: it was frozen · created: the user is new · resumed: made anew on the user's files. */
  readonly how: 'found' | 'thawed' | 'created' | 'resumed'
  readonly runtime: ReadyRuntime
}

/** Servers may remove and create in turns; if that has not come to an end after so long, something else is wrong. In milliseconds. */
const GIVE_UP_MS = 60_000

/**
 * Brings a user's sandbox to life, from whatever state the engine shows: nothing, half made, stopped, paused or running. The engine's
 * unique names are the only lock: of two servers that create at once one wins, and the other adopts what it made.
 * `preferred` is the operator's runtime for the user, when they chose none themselves.
 */
export async function place(
  deps: PlacementDeps,
  identity: SandboxIdentity,
  preferred: string,
  options: PlacementOptions = {},
): Promise<PlacedSandbox> {
  const { engine } = deps
  const { signal } = options
  const call = signal ? { signal } : {}
  const wanted = await wantedRuntime(deps, identity, preferred, call)
  let runtime = await deps.runtime(wanted.name, options)
  let how: PlacedSandbox['how'] = 'found'
  const giveUpAt = performance.now() + GIVE_UP_MS
  while (performance.now() < giveUpAt) {
    const owner = await presentOwner(deps, identity, options)
    const found = await findContainer(engine, owner, call)
    if (!found) {
      how = await create(deps, owner, runtime, options)
      continue
    }
    const actual = found.labels[LABEL.runtime]
    if (actual !== undefined && actual !== runtime.name) {
      // The user's own choice holds at once. Another setting of the operator's waits until the sandbox is started again.
      if (wanted.byUser || !deps.runtimes.includes(actual)) {
        await engine.containers.remove(found.id, call)
        continue
      }
      runtime = await deps.runtime(actual, options)
    }
    const weaker = missingProtections(found, owner, runtime, deps.policy)
    if (weaker.length > 0) deps.logger.warn({ container: found.id, weaker }, 'sandbox lacks protections; made anew')
    if (found.state === 'exited' && how !== 'found') throw endedAtOnce(found)
    if (found.state === 'exited' || weaker.length > 0) {
      // With a read-only root a stopped container holds nothing that the volume does not.
      await engine.containers.remove(found.id, call)
      continue
    }
    const client = await wake(deps, found, call).catch(async (error: unknown) => {
      // Removed, stopped or unreachable in the meantime: the next look tells which.
      if (isSandboxError(error, 'not_found') || error instanceof ConnectionLost) return error
      if (isSandboxError(error, 'engine_failed')) {
        if (await hasChanged(deps, found, call)) return error
        // One that the engine cannot start would stand in the way of a better one, of a mended image.
        if (found.state === 'created') await engine.containers.remove(found.id, call)
      }
      throw error
    })
    if (client instanceof SupervisorClient) {
      const isThawed = how === 'found' && found.state === 'paused'
      return { client, containerId: found.id, how: isThawed ? 'thawed' : how, runtime }
    }
    deps.logger.warn({ container: found.id, state: found.state, err: client }, 'sandbox does not answer')
    // Gone in the meantime, or its supervisor is beyond reach: a new container on the same files.
    if (client instanceof ConnectionLost) await engine.containers.remove(found.id, call)
  }
  throw new SandboxError(
    'engine_failed',
    'The sandbox could not be started: its container keeps disappearing or does not answer.',
  )
}

async function wantedRuntime(
  { engine, runtimes, logger }: PlacementDeps,
  identity: SandboxIdentity,
  preferred: string,
  call: { signal?: AbortSignal },
): Promise<{ readonly name: string; readonly byUser: boolean }> {
  const choice = await readChoice(engine, identity, call)
  if (choice !== undefined && runtimes.includes(choice)) return { name: choice, byUser: true }
  if (choice !== undefined) logger.warn({ runtime: choice }, 'the chosen runtime is no longer there')
  return { name: preferred, byUser: false }
}

/** Opens the way to the supervisor of a running container. Fails with ConnectionLost when it does not answer. */
export async function connect(engine: Engine, containerId: string, signal?: AbortSignal): Promise<SupervisorClient> {
  const command = [SUPERVISOR_PATH, 'connect']
  const stream = await engine.containers.openStream(containerId, { command, uid: BRIDGE_UID }, signal ? { signal } : {})
  return new SupervisorClient(await Connection.open(stream))
}

/** True when the container is no longer as it was found: engines word the failure of an exec in a dying container in many ways. */
async function hasChanged(
  { engine }: PlacementDeps,
  found: ContainerDetails,
  call: { signal?: AbortSignal },
): Promise<boolean> {
  const now = await engine.containers.inspect(found.id, call)
  return now?.state !== found.state
}

async function wake(
  { engine }: PlacementDeps,
  found: ContainerDetails,
  call: { signal?: AbortSignal },
): Promise<SupervisorClient> {
  if (found.state === 'paused') await engine.containers.unpause(found.id, call)
  if (found.state === 'created') await engine.containers.start(found.id, call)
  return reach(engine, found.id, call.signal)
}

/** A supervisor that is slow, or a stream that breaks once, is no reason to end what runs in a sandbox. */
const CONNECT_TRIES = 3
const CONNECT_PAUSE_MS = 300

async function reach(engine: Engine, containerId: string, signal?: AbortSignal): Promise<SupervisorClient> {
  for (let tries = 1; ; tries++) {
    try {
      return await connect(engine, containerId, signal)
    } catch (error) {
      if (!(error instanceof ConnectionLost) || tries === CONNECT_TRIES) throw error
      if (isFull(error)) {
        throw new SandboxError('sandbox_limit', 'Too many servers are connected to this sandbox.', { cause: error })
      }
    }
    await delay(CONNECT_PAUSE_MS, undefined, signal ? { signal } : {})
  }
}

/** Exit code of the bridge when the supervisor has no connection left (supervisor/PROTOCOL.md, "Connection"). */
const EXIT_FULL = 3

function isFull({ cause }: ConnectionLost): boolean {
  return isSandboxError(cause, 'engine_failed') && cause.details['exitCode'] === EXIT_FULL
}

/** Whose files are in a backup gets them back first: an empty workspace in their place would look like their loss, and become it. */
async function presentOwner(
  { engine, archiver }: PlacementDeps,
  identity: SandboxIdentity,
  options: PlacementOptions,
): Promise<Owner> {
  const call = options.signal ? { signal: options.signal } : {}
  const owner = await resolveOwner(engine, identity, call)
  if (owner.archive === undefined) return owner
  options.onProgress?.('bringing the files back from their backup')
  await archiver?.restore(identity, owner.archive, options)
  const restored = await resolveOwner(engine, identity, call)
  if (restored.archive === undefined) return restored
  throw new SandboxError(
    'archive_unavailable',
    'The files of this sandbox are in a backup that was not brought back.',
    {
      details: { archive: restored.archive },
    },
  )
}

async function create(
  deps: PlacementDeps,
  owner: Owner,
  runtime: ReadyRuntime,
  options: PlacementOptions,
): Promise<'found' | 'created' | 'resumed'> {
  const { engine, policy, info } = deps
  const { identity } = owner
  const { signal, onProgress } = options
  const call = signal ? { signal } : {}
  onProgress?.('starting the sandbox')
  const before = await findWorkspace(engine, owner, call)
  if (owner.isNew && !before) {
    // The same step by which a slot gets its user: of two servers one decides which workspace it is.
    const decided = await ensureOwner(engine, identity, { workspace: owner.volumeName }, call)
    if (decided.volumeName !== owner.volumeName || decided.archive !== undefined) return 'found'
  }
  const ownUid = uidOf(identity, await info())
  const volume =
    before ??
    (await makeWorkspace(engine, { name: owner.volumeName, uid: ownUid }, volumeLabels(identity, ownUid), policy, call))
  // The files belong to the uid that the volume was made for, whatever the rule says today.
  const uid = uidFromLabels(volume.labels) ?? ownUid
  const make = (of: ReadyRuntime) => {
    const place = userPlace(identity, owner.volumeName, uid, of)
    return engine.containers.create(containerSpec(place, of, policy), call)
  }
  try {
    await make(runtime).catch(async (error: unknown) => {
      if (!isSandboxError(error, 'image_unavailable')) throw error
      // Somebody removed the image since it was looked at.
      deps.forgetRuntime(runtime.name)
      return make(await deps.runtime(runtime.name, options))
    })
  } catch (error) {
    if (isSandboxError(error, 'already_exists')) return 'found'
    throw error
  }
  return before ? 'resumed' : 'created'
}

function endedAtOnce({ exitCode, oomKilled }: ContainerDetails): SandboxError {
  return new SandboxError('engine_failed', 'The sandbox ended right after its start.', {
    details: { exitCode, oomKilled },
  })
}

/** Limits may differ from today's settings until the next start; a protection may not. */
const LIMITS: ReadonlySet<string> = new Set(['memoryBytes', 'memorySwapBytes', 'nanoCpus', 'pids'])

function missingProtections(
  found: ContainerDetails,
  { identity, volumeName }: Owner,
  runtime: ReadyRuntime,
  policy: SandboxPolicy,
): string[] {
  const uid = uidFromLabels(found.labels)
  if (uid === undefined) return ['user']
  const place = userPlace(identity, volumeName, uid, runtime)
  return findMismatches(containerSpec(place, runtime, policy), found.effective)
    .map((mismatch) => mismatch.protection)
    .filter((protection) => !LIMITS.has(protection))
}
