import type { CallOptions, ContainerDetails, Engine, Labels, VolumeDetails } from '../engine/engine.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { foreign } from './foreign.ts'
import { belongsTo, isSlot, LABEL, type OwnerFacts, ownerLabels, ownerName, type SandboxIdentity } from './identity.ts'
import { forgetSleep, sleepSince } from './sleep-note.ts'

/**
 * Which container and which volume are a user's. Mostly those that are named after the user; not so when the user got a slot, whose names are
 * older than the user, or files from a backup. Then an **owner record** says so: an empty volume, whose labels name them.
 *
 * A record is never changed, which labels cannot be; another one follows, with a name and a generation of its own, and the highest generation
 * counts. So each change is one creation by a unique name: it happened or it did not, of two servers that make the same one the labels that
 * come back tell both which of them did, and no reader ever finds a user without a record between two. The first record stays as long as the
 * user, so that nobody can make another first one.
 */
export interface Owner {
  readonly identity: SandboxIdentity
  /** Of the workspace. There is no such volume for a user who is new, or archived. */
  readonly volumeName: string
  /** The container is the first of these that exists: a slot, which never comes back once it is gone, then the user's own. */
  readonly containerNames: readonly string[]
  /** Id of the backup that holds the files. The workspace volume is gone then, and an empty one must never take its place. */
  readonly archive: string | undefined
  /**
   * A server copies the files in order to archive them. Whoever comes to use them says anew whose they are before anything starts: then that server's last
   * step, which follows this record alone, fails, and what is written from now on is not taken for copied.
   */
  readonly archiving: string | undefined
  /** Since when the sandbox sleeps, as far as somebody has seen it: see {@link sleepSince}. */
  readonly sleepsSinceMs: number | undefined
  /** Generation of the record; 0: there is none. */
  readonly generation: number
  /** There is neither a record nor a workspace volume of this user. */
  readonly isNew: boolean
}

/** Servers may change a record in turns; more rounds mean that something else is wrong. */
const MAX_ROUNDS = 5

/** What the engine's record says of a user. Starts and changes nothing. */
export async function resolveOwner(engine: Engine, identity: SandboxIdentity, call: CallOptions = {}): Promise<Owner> {
  const labels = { [LABEL.installation]: identity.installation, [LABEL.user]: identity.userHash }
  return ownerFrom(identity, await engine.volumes.list(labels, call))
}

/** As {@link resolveOwner}, from a list of volumes that holds all with this user's label. */
export function ownerFrom(identity: SandboxIdentity, volumes: readonly VolumeDetails[]): Owner {
  const sleepsSinceMs = sleepSince(identity, volumes)
  const newest = recordsOf(identity, volumes).at(-1)
  if (newest) return { ...ownerOf(identity, newest.labels, newest.generation), sleepsSinceMs }
  const isNew = !volumes.some(
    ({ name, labels }) => name === identity.volumeName && belongsTo(labels, identity, 'workspace'),
  )
  return {
    identity,
    volumeName: identity.volumeName,
    containerNames: [identity.containerName],
    archive: undefined,
    archiving: undefined,
    sleepsSinceMs,
    generation: 0,
    isNew,
  }
}

/**
 * Makes the first record of a user who has none. Resolves to what holds afterwards: another server may have been faster, so compare it with
 * what was asked for.
 */
export async function ensureOwner(
  engine: Engine,
  identity: SandboxIdentity,
  facts: OwnerFacts,
  call: CallOptions = {},
): Promise<Owner> {
  const wanted = ownerLabels(identity, 1, facts)
  const { labels } = await ensureRecord(engine, identity, 1, wanted, call)
  // A slot's name is in no other record, so this one was made just now.
  if (facts.container !== undefined && sameLabels(labels, wanted)) return ownerOf(identity, labels, 1)
  // Somebody else's may have been followed by others already.
  return await resolveOwner(engine, identity, call)
}

/**
 * Says anew what is a user's, in one step: `next` counts when this resolves, and what `from` says when it was not reached. Fails with
 * `sandbox_busy` when somebody else has changed it since `from` was read. The volumes that neither names any more are the caller's to remove.
 */
export async function replaceOwner(
  engine: Engine,
  from: Owner,
  next: OwnerFacts,
  call: CallOptions = {},
): Promise<Owner> {
  const { identity } = from
  const generation = from.generation + 1
  const superseded = (await listRecords(engine, identity, call)).filter((each) => each.generation < from.generation)
  for (const { name } of superseded.slice(1)) await engine.volumes.remove(name, call)
  const wanted = ownerLabels(identity, generation, next)
  const { labels } = await ensureRecord(engine, identity, generation, wanted, call)
  const now = await resolveOwner(engine, identity, call)
  if (sameLabels(labels, wanted) && now.generation === generation) return now
  throw new SandboxError('sandbox_busy', 'Another server has changed this sandbox at the same time.')
}

/** As {@link resolveOwner}, for somebody who comes to use the files: an archiving of them is called off, and the note of their sleep forgotten. */
export async function wakeOwner(engine: Engine, identity: SandboxIdentity, call: CallOptions = {}): Promise<Owner> {
  for (let round = 1; ; round++) {
    const owner = await resolveOwner(engine, identity, call)
    if (owner.sleepsSinceMs !== undefined) await forgetSleep(engine, identity, call)
    if (owner.archiving === undefined) return owner
    try {
      return await replaceOwner(engine, owner, { workspace: owner.volumeName }, call)
    } catch (error) {
      // Another server was faster, with the same or with its last step.
      if (!isSandboxError(error, 'sandbox_busy') || round === MAX_ROUNDS) throw error
    }
  }
}

/** Forgets what is a user's. Lowest first, so that what counted last counts to the end. */
export async function removeOwner(engine: Engine, identity: SandboxIdentity, call: CallOptions = {}): Promise<void> {
  for (const { name } of await listRecords(engine, identity, call)) await engine.volumes.remove(name, call)
}

/** The user's container as it is, if there is one. Fails with `engine_failed` when something that is not ours has its name. */
export async function findContainer(
  engine: Engine,
  owner: Pick<Owner, 'identity' | 'containerNames'>,
  call: CallOptions = {},
): Promise<ContainerDetails | undefined> {
  for (const name of owner.containerNames) {
    const found = await engine.containers.inspect(name, call)
    if (!found) continue
    if (!isContainerOf(owner, found)) throw foreign('container', name)
    return found
  }
  return undefined
}

/** The user's workspace volume, if there is one. Fails with `engine_failed` when something that is not ours has its name. */
export async function findWorkspace(
  engine: Engine,
  owner: Owner,
  call: CallOptions = {},
): Promise<VolumeDetails | undefined> {
  const found = await engine.volumes.inspect(owner.volumeName, call)
  if (found && !isWorkspaceOf(owner, found)) throw foreign('volume', owner.volumeName)
  return found
}

/** True for a container that is this user's by its labels, or by its name in the user's record. */
export function isContainerOf(
  { identity, containerNames }: Pick<Owner, 'identity' | 'containerNames'>,
  container: { readonly name: string; readonly labels: Labels },
): boolean {
  if (belongsTo(container.labels, identity, 'sandbox')) return true
  return containerNames.includes(container.name) && isSlot(container, identity.installation)
}

/** True for the volume with this user's files. */
export function isWorkspaceOf({ identity, volumeName, generation }: Owner, volume: VolumeDetails): boolean {
  if (volume.name !== volumeName) return false
  return belongsTo(volume.labels, identity, 'workspace') || (generation > 0 && isSlot(volume, identity.installation))
}

interface OwnerRecord {
  readonly name: string
  readonly labels: Labels
  readonly generation: number
}

async function listRecords(
  engine: Engine,
  identity: SandboxIdentity,
  call: CallOptions,
): Promise<readonly OwnerRecord[]> {
  const labels = { [LABEL.role]: 'owner', [LABEL.installation]: identity.installation, [LABEL.user]: identity.userHash }
  return recordsOf(identity, await engine.volumes.list(labels, call))
}

/** The user's records among volumes, by generation. */
function recordsOf(identity: SandboxIdentity, volumes: readonly VolumeDetails[]): readonly OwnerRecord[] {
  return volumes
    .filter(({ labels }) => belongsTo(labels, identity, 'owner'))
    .map(({ name, labels }) => ({ name, labels, generation: Number(labels[LABEL.generation]) }))
    .filter(({ name, generation }) => generation > 0 && name === ownerName(identity, generation))
    .sort((a, b) => a.generation - b.generation)
}

async function ensureRecord(
  engine: Engine,
  identity: SandboxIdentity,
  generation: number,
  labels: Labels,
  call: CallOptions,
): Promise<VolumeDetails> {
  const name = ownerName(identity, generation)
  const record = await engine.volumes.ensure(name, labels, call)
  if (!belongsTo(record.labels, identity, 'owner')) throw foreign('volume', name)
  return record
}

function ownerOf(identity: SandboxIdentity, labels: Labels, generation: number): Owner {
  const volumeName = labels[LABEL.workspace]
  if (volumeName === undefined) {
    throw new SandboxError('engine_failed', 'The record of whose workspace it is cannot be read.', {
      hint: 'It was made by another version of the server: use that one, or remove the record.',
      details: { volume: ownerName(identity, generation) },
    })
  }
  const slot = labels[LABEL.container]
  return {
    identity,
    volumeName,
    containerNames: slot === undefined ? [identity.containerName] : [slot, identity.containerName],
    archive: labels[LABEL.archive],
    archiving: labels[LABEL.archiving],
    sleepsSinceMs: undefined,
    generation,
    isNew: false,
  }
}

function sameLabels(a: Labels, b: Labels): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
