import type { Engine } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import type { SandboxIdentity } from './identity.ts'
import { removeCallContainers } from './modes/call-containers.ts'
import {
  findContainer,
  findWorkspace,
  type Owner,
  removeOwner,
  replaceOwner,
  resolveOwner,
  wakeOwner,
} from './owner.ts'
import { removeChoice } from './runtime-choice.ts'
import { forgetSleep } from './sleep-note.ts'

/** Another server may start the sandbox again in between; more rounds than this mean that something else is wrong. */
const MAX_ROUNDS = 5

/** Removes a user's container, if there is one. The files stay. */
export async function removeContainer(engine: Engine, identity: SandboxIdentity): Promise<void> {
  await removeContainerOf(engine, await resolveOwner(engine, identity))
}

/** Removes a user's container and files. A backup that stands in for the files is let go: it is kept, and not brought back any more. */
export async function removeWorkspace(engine: Engine, identity: SandboxIdentity): Promise<void> {
  const owner = await wakeOwner(engine, identity)
  await removeWorkspaceOf(engine, owner)
  if (owner.archive !== undefined) await replaceOwner(engine, owner, { workspace: owner.volumeName })
}

/** Removes all that there is of a user: container, files, choice of a runtime, and the record of what was theirs. */
export async function removeEverything(engine: Engine, identity: SandboxIdentity): Promise<void> {
  const owner = await resolveOwner(engine, identity)
  await removeWorkspaceOf(engine, owner)
  await removeChoice(engine, identity)
  await forgetSleep(engine, identity)
  if (owner.generation === 0) return
  // After the files: without a record nobody would find what is left of them.
  await removeOwner(engine, identity)
  // Another server that still had the record may have started the sandbox again in between.
  await removeWorkspaceOf(engine, owner)
}

async function removeContainerOf(engine: Engine, owner: Owner): Promise<void> {
  await removeCallContainers(engine, owner.identity)
  // A slot, and beside it one of the user's own, if a server was killed between the two.
  for (const name of owner.containerNames) {
    const found = await findContainer(engine, { ...owner, containerNames: [name] })
    if (found) await engine.containers.remove(found.id)
  }
}

/** Removes the container and the volume that a record named, also when another one names others by now. */
export async function removeWorkspaceOf(engine: Engine, owner: Owner): Promise<void> {
  for (let round = 1; ; round++) {
    await removeContainerOf(engine, owner)
    const volume = await findWorkspace(engine, owner)
    if (!volume) return
    try {
      await engine.volumes.remove(volume.name)
      return
    } catch (error) {
      // In use: another server has just started the sandbox again.
      if (!isSandboxError(error, 'engine_failed') || round === MAX_ROUNDS) throw error
    }
  }
}
