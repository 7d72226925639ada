import type { ContainerSummary, Engine, VolumeDetails } from '../../engine/engine.ts'
import { isSandboxError } from '../../errors/sandbox-error.ts'
import { askSupervisor, seemsAbandoned } from '../../registry/abandoned.ts'
import { holdsSandbox, LABEL } from '../../registry/identity.ts'
import { listHoldings, type Owned, type UnownedSlot } from '../../registry/owned.ts'
import { findWorkspace, removeOwner, resolveOwner } from '../../registry/owner.ts'
import { removeChoice } from '../../registry/runtime-choice.ts'
import { removeEverything } from '../../registry/take-down.ts'
import { isAbandoned, letGo } from '../../runtimes/helper-leftovers.ts'
import { SINCE_LABEL } from '../../runtimes/helper-spec.ts'
import { MEASURE_LABELS } from '../../runtimes/measure.ts'
import type { Leftover } from './leftover.ts'

/** A backup is tried in less, in milliseconds. */
const SCRATCH_MS = 6 * 60 * 60_000

/** Whether there is not one file in the volume; false where nobody can tell. */
export type IsEmpty = (volume: VolumeDetails) => Promise<boolean>

/** Everything of an installation in the engine that no user and no server has any more. A user's workspace is never among it. */
export async function sandboxLeftovers(
  engine: Engine,
  installation: string,
  isEmpty: IsEmpty,
): Promise<readonly Leftover[]> {
  const { users, slots } = await listHoldings(engine, installation)
  const found = await Promise.all([
    ...users.map((owned) => ofUser(engine, owned)),
    ...slots.map((slot) => ofSlot(engine, slot, isEmpty)),
  ])
  const containers = [
    ...(await engine.containers.list({ [LABEL.installation]: installation })),
    ...(await engine.containers.list(MEASURE_LABELS)),
  ]
  const helpers = containers.filter((each) => !holdsSandbox(each) && isAbandoned(each))
  const scratch = await engine.volumes.list({ [LABEL.role]: 'scratch', [LABEL.installation]: installation })
  return [
    ...found.flatMap((leftover) => leftover ?? []),
    ...helpers.map((each) => container(engine, 'helper containers', each)),
    ...scratch.filter(isOldScratch).map(({ name }) => volume(engine, name)),
  ]
}

async function ofUser(engine: Engine, owned: Owned): Promise<Leftover | undefined> {
  const { owner, container: found, workspace } = owned
  const { identity } = owner
  if (identity.isAnonymous) {
    if (!(await seemsAbandoned(engine, found))) return undefined
    return {
      kind: 'sandboxes of ended sessions',
      name: `id:${identity.userHash}`,
      bytes: undefined,
      isSuspect: found?.state !== 'exited',
      remove: async () => {
        // A session may have come between: its server is connected.
        if (!(await seemsAbandoned(engine, found && (await engine.containers.inspect(found.id))))) return false
        await removeEverything(engine, identity)
        return true
      },
    }
  }
  if (found?.state === 'exited') return container(engine, 'ended containers', found)
  if (found?.state === 'created') return { ...container(engine, 'half-made containers', found), isSuspect: true }
  if (found || workspace || owner.archive !== undefined) return undefined
  return {
    kind: 'records without files',
    name: `id:${identity.userHash}`,
    bytes: 0,
    isSuspect: true,
    remove: async () => {
      const now = await resolveOwner(engine, identity)
      if (now.archive !== undefined || (await findWorkspace(engine, now))) return false
      await removeChoice(engine, identity)
      await removeOwner(engine, identity)
      return true
    },
  }
}

/**
 * A slot that nobody is connected to has lost its server. Whoever gets its one claim may remove it: nobody had it, and nobody else can get it then. One that
 * cannot be asked any more may have been a user's whose record somebody removed, so that it goes only without a file in it.
 */
async function ofSlot(
  engine: Engine,
  { name, container: found, volume: own }: UnownedSlot,
  isEmpty: IsEmpty,
): Promise<Leftover | undefined> {
  if (!(await seemsAbandoned(engine, found))) return undefined
  return {
    kind: 'unused slots',
    name,
    bytes: undefined,
    isSuspect: true,
    remove: async () => {
      const now = found && (await engine.containers.inspect(found.id))
      const mayGo =
        now?.state === 'running'
          ? (await askSupervisor(engine, now.id, (client) => client.claim())) === true
          : own === undefined || (await isEmpty(own))
      if (!mayGo) return false
      if (now) await engine.containers.remove(now.id)
      return own === undefined || (await removeUnused(() => engine.volumes.remove(own.name)))
    },
  }
}

function container(
  engine: Engine,
  kind: 'ended containers' | 'half-made containers' | 'helper containers',
  { id, name, state, labels }: ContainerSummary,
): Leftover {
  return {
    kind,
    name,
    bytes: undefined,
    isSuspect: false,
    remove: async () => {
      // Somebody may have started it.
      const now = await engine.containers.inspect(id)
      if (now && now.state !== state) return false
      await letGo(engine, { labels })
      await engine.containers.remove(id)
      return true
    },
  }
}

function volume(engine: Engine, name: string): Leftover {
  return {
    kind: 'scratch volumes',
    name,
    bytes: undefined,
    isSuspect: false,
    remove: () => removeUnused(() => engine.volumes.remove(name)),
  }
}

function isOldScratch({ labels }: VolumeDetails): boolean {
  return !(Date.now() - Number(labels[SINCE_LABEL] ?? 0) < SCRATCH_MS)
}

/** False when the engine says that a container uses it. */
async function removeUnused(remove: () => Promise<void>): Promise<boolean> {
  try {
    await remove()
    return true
  } catch (error) {
    if (isSandboxError(error, 'engine_failed') && error.details['status'] === 409) return false
    throw error
  }
}
