import type { ContainerDetails, ContainerSpec, Engine, EngineInfo } from '../engine/engine.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import type { Telemetry } from '../lib/telemetry.ts'
import type { ReadyRuntime } from '../runtimes/image-builder.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import type { Archiver } from './archiver.ts'
import { bringUp } from './bring-up.ts'
import type { AttachedFacts } from './modes/attach.ts'
import type { BoundDirectory } from './modes/bound-directory.ts'
import { LABEL, type SandboxIdentity, uidFromLabels, uidOf, volumeLabels } from './identity.ts'
import { ensureOwner, findContainer, findWorkspace, type Owner, resolveOwner, wakeOwner } from './owner.ts'
import { adjust } from './reconcile/adjust.ts'
import { type Drift, driftOf, type Outdated } from './reconcile/drift.ts'
import type { HungBridges } from './recovery/hung-bridges.ts'
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
  /** The workspace, where it is a directory of this machine and no volume. */
  readonly bind?: BoundDirectory | undefined
  /** Brings back the files of a user who was archived. */
  readonly archiver?: Archiver | undefined
  readonly hungBridges: HungBridges
  readonly logger: Logger
  readonly telemetry: Telemetry
}

export interface PlacementOptions {
  readonly signal?: AbortSignal | undefined
  /** What is being done, for whoever waits. */
  readonly onProgress?: ((text: string) => void) | undefined
  /** The container whose connections were cut from inside again and again: it is brought to rest before it is used. */
  readonly unfit?: string | undefined
}

/** A sandbox whose supervisor answers. */
export interface PlacedSandbox {
  readonly client: SupervisorClient
  /** Id of the container: another one means that only the workspace survived. */
  readonly containerId: string
  /** found: it ran already · thawed: it was frozen · created: the user is new · resumed: made anew on the user's files. */
  readonly how: 'found' | 'thawed' | 'created' | 'resumed'
  readonly runtime: ReadyRuntime
  /** What it should be, by this server's settings; undefined for a container of the operator's. */
  readonly wanted: ContainerSpec | undefined
  /** Why it is to be made anew when nobody uses it. */
  readonly outdated: readonly Outdated[]
  /** Of a container of the operator's: what is as it is in there. */
  readonly attached?: AttachedFacts
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
  const chosen = await wantedRuntime(deps, identity, preferred, call)
  let runtime = await deps.runtime(chosen.name, options)
  let how: PlacedSandbox['how'] = 'found'
  const startedAtMs = performance.now()
  let giveUpAt = startedAtMs + GIVE_UP_MS
  /** A container that does not answer, whatever was tried, was removed. */
  let wasDead = false
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
      if (chosen.byUser || !deps.runtimes.includes(actual)) {
        await engine.containers.remove(found.id, call)
        continue
      }
      runtime = await deps.runtime(actual, options)
    }
    const wanted = wantedSpec(found, owner, runtime, deps)
    const drift = wanted && driftOf(found, wanted)
    if (found.state === 'exited' && how !== 'found') throw endedAtOnce(found)
    if (found.state === 'exited' || !drift || drift.weaker.length > 0) {
      if (found.state !== 'exited') tellWeaker(deps, found, drift)
      // With a read-only root a stopped container holds nothing that the volume does not.
      await engine.containers.remove(found.id, call)
      continue
    }
    const brought = await bringUp(deps, found, options, how === 'found')
    if (brought === 'changed') continue
    if (brought === 'dead') {
      // Nothing in it can be reached any more: a new container on the same files.
      await engine.containers.remove(found.id, call)
      if (wasDead) throw beyondHelp(deps, performance.now() - startedAtMs)
      wasDead = true
      giveUpAt = performance.now() + GIVE_UP_MS
      continue
    }
    if (wasDead) deps.telemetry.recoveryStep('recreate', 'ok', performance.now() - startedAtMs)
    const { client, isRevived } = brought
    const outdated = how === 'found' ? await adjust(deps, found, drift, client, signal) : []
    if (outdated === 'removed') {
      client.connection.close('it is made anew')
      continue
    }
    if (how === 'found' && found.state === 'paused') how = 'thawed'
    // As after a new start: the files are there, and what ran is not.
    if (isRevived) how = 'resumed'
    return { client, containerId: found.id, how, runtime, wanted, outdated }
  }
  throw new SandboxError(
    'engine_failed',
    'The sandbox could not be started: its container keeps disappearing or does not answer.',
  )
}

/** The runtime that the user chose, else the operator's for them. */
export async function wantedRuntime(
  { engine, runtimes, logger }: Pick<PlacementDeps, 'engine' | 'runtimes' | 'logger'>,
  identity: SandboxIdentity,
  preferred: string,
  call: { signal?: AbortSignal },
): Promise<{ readonly name: string; readonly byUser: boolean }> {
  const choice = await readChoice(engine, identity, call)
  if (choice !== undefined && runtimes.includes(choice)) return { name: choice, byUser: true }
  if (choice !== undefined) logger.warn({ runtime: choice }, 'the chosen runtime is no longer there')
  return { name: preferred, byUser: false }
}

/**
 * The record by which something may be started for the user. An archiving of their files is called off by it; whose files are in a backup gets
 * them back first: an empty workspace in their place would look like their loss, and become it.
 */
export async function presentOwner(
  { engine, archiver, bind }: Pick<PlacementDeps, 'engine' | 'archiver' | 'bind'>,
  identity: SandboxIdentity,
  options: PlacementOptions,
): Promise<Owner> {
  const call = options.signal ? { signal: options.signal } : {}
  const owner = bind ? await resolveOwner(engine, identity, call) : await wakeOwner(engine, identity, call)
  if (owner.archive === undefined || bind) return owner
  options.onProgress?.('bringing the files back from their backup')
  await archiver?.restore(identity, owner.archive, options)
  const restored = await wakeOwner(engine, identity, call)
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
  const { engine, policy, bind } = deps
  const { identity } = owner
  const { signal, onProgress } = options
  const call = signal ? { signal } : {}
  onProgress?.('starting the sandbox')
  const workspace = bind ? { uid: bind.uid, isNew: false } : await ensureWorkspace(deps, owner, signal)
  if (!workspace) return 'found'
  const { uid } = workspace
  const make = (of: ReadyRuntime) => {
    const place = userPlace(identity, owner.volumeName, uid, of, bind)
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
  return workspace.isNew ? 'created' : 'resumed'
}

/**
 * Sees to it that the user has a workspace volume. Resolves to whose its files are and whether it is new; undefined when another server has decided
 * otherwise in the meantime: look again.
 */
export async function ensureWorkspace(
  { engine, policy, info }: Pick<PlacementDeps, 'engine' | 'policy' | 'info'>,
  owner: Owner,
  signal?: AbortSignal,
): Promise<{ readonly uid: number; readonly isNew: boolean } | undefined> {
  const call = signal ? { signal } : {}
  const { identity } = owner
  const before = await findWorkspace(engine, owner, call)
  if (owner.isNew && !before) {
    // The same step by which a slot gets its user: of two servers one decides which workspace it is.
    const decided = await ensureOwner(engine, identity, { workspace: owner.volumeName }, call)
    if (decided.volumeName !== owner.volumeName || decided.archive !== undefined) return undefined
  }
  const ownUid = uidOf(identity, await info())
  const volume =
    before ??
    (await makeWorkspace(engine, { name: owner.volumeName, uid: ownUid }, volumeLabels(identity, ownUid), policy, call))
  // The files belong to the uid that the volume was made for, whatever the rule says today.
  return { uid: uidFromLabels(volume.labels) ?? ownUid, isNew: !before }
}

function tellWeaker({ logger, telemetry }: PlacementDeps, { id }: ContainerDetails, drift: Drift | undefined): void {
  logger.warn({ container: id, weaker: drift?.weaker ?? ['user'] }, 'sandbox lacks protections; made anew')
  telemetry.sandboxDrift('protections', 'recreated')
}

function beyondHelp({ telemetry }: PlacementDeps, ms: number): SandboxError {
  telemetry.recoveryStep('give_up', 'failed', ms)
  return new SandboxError('sandbox_unavailable', 'The sandbox does not answer, and neither does a new one.')
}

function endedAtOnce({ exitCode, oomKilled }: ContainerDetails): SandboxError {
  return new SandboxError('engine_failed', 'The sandbox ended right after its start.', {
    details: { exitCode, oomKilled },
  })
}

/** What the container should be, by this server's settings; undefined when its labels name no uid that a sandbox may have. */
function wantedSpec(
  found: ContainerDetails,
  { identity, volumeName }: Owner,
  runtime: ReadyRuntime,
  { policy, bind }: PlacementDeps,
): ContainerSpec | undefined {
  const uid = bind?.uid ?? uidFromLabels(found.labels)
  return uid === undefined
    ? undefined
    : containerSpec(userPlace(identity, volumeName, uid, runtime, bind), runtime, policy)
}
