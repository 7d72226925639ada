import type { Engine } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import { foreign } from './foreign.ts'
import { belongsTo, type SandboxIdentity } from './identity.ts'
import { removeChoice } from './runtime-choice.ts'

/** Another server may start the sandbox again in between; more rounds than this mean that something else is wrong. */
const MAX_ROUNDS = 5

/** Removes a user's container, if there is one. The files stay. */
export async function removeContainer(engine: Engine, identity: SandboxIdentity): Promise<void> {
  const found = await engine.containers.inspect(identity.containerName)
  if (!found) return
  if (!belongsTo(found.labels, identity, 'sandbox')) throw foreign('container', identity.containerName)
  await engine.containers.remove(found.id)
}

/** Removes a user's container and files. */
export async function removeWorkspace(engine: Engine, identity: SandboxIdentity): Promise<void> {
  for (let round = 1; ; round++) {
    await removeContainer(engine, identity)
    const volume = await engine.volumes.inspect(identity.volumeName)
    if (!volume) return
    if (!belongsTo(volume.labels, identity, 'workspace')) throw foreign('volume', identity.volumeName)
    try {
      await engine.volumes.remove(identity.volumeName)
      return
    } catch (error) {
      // In use: another server has just started the sandbox again.
      if (!isSandboxError(error, 'engine_failed') || round === MAX_ROUNDS) throw error
    }
  }
}

/** Removes all that there is of a user: container, files, choice of a runtime. */
export async function removeEverything(engine: Engine, identity: SandboxIdentity): Promise<void> {
  await removeWorkspace(engine, identity)
  await removeChoice(engine, identity)
}
