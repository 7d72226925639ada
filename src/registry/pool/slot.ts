import type { ContainerSpec, Engine, EngineInfo } from '../../engine/engine.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Logger } from '../../lib/logger.ts'
import type { ReadyRuntime } from '../../runtimes/ready-runtime.ts'
import type { SupervisorClient } from '../../supervisor/client.ts'
import { isSlot, slotLabels, uidOfSlot } from '../identity.ts'
import { connectPatiently } from '../connect.ts'
import { makeWorkspace } from '../quota/make-workspace.ts'
import { containerSpec, type SandboxPolicy } from '../sandbox-spec.ts'
import { poolKey } from './pool-key.ts'

/** A sandbox that runs, answers, and has never been anybody's. Container and volume have the same name. */
export interface Slot {
  readonly name: string
  readonly key: string
  readonly runtime: ReadyRuntime
  /** As it was made. */
  readonly spec: ContainerSpec
  readonly containerId: string
  readonly client: SupervisorClient
}

export interface SlotDeps {
  readonly engine: Engine
  readonly installation: string
  readonly policy: SandboxPolicy
  readonly info: () => Promise<EngineInfo>
  readonly logger: Logger
}

/** Makes one, up to where its supervisor has answered. Leaves nothing behind when that fails. */
export async function makeSlot(deps: SlotDeps, name: string, runtime: ReadyRuntime): Promise<Slot> {
  const { engine, installation, policy, info, logger } = deps
  const uid = uidOfSlot(name, await info())
  const key = poolKey(runtime, policy)
  const labels = slotLabels({ installation, runtime: runtime.name, digest: runtime.digest, uid, poolKey: key })
  try {
    await makeWorkspace(engine, { name, uid }, labels, policy)
    const spec = containerSpec({ name, labels, uid, volumeName: name }, runtime, policy)
    const { id } = await engine.containers.create(spec)
    await engine.containers.start(id)
    const client = await connectPatiently(engine, id)
    // Removed while the container was made, the engine made another one by itself, whose labels tell nobody what it is.
    const volume = await engine.volumes.inspect(name)
    if (!volume || !isSlot(volume, installation)) {
      client.connection.close('the slot is of no use')
      throw new SandboxError('engine_failed', 'The volume of a new sandbox was removed while it was made.')
    }
    return { name, key, runtime, spec, containerId: id, client }
  } catch (error) {
    await removeSlot(engine, name).catch((err: unknown) => {
      logger.warn({ slot: name, err }, 'what was made of a slot could not be removed; a later sweep does')
    })
    throw error
  }
}

/** Removes container and volume. Only for who has claimed it, or made it. */
export async function removeSlot(engine: Engine, name: string): Promise<void> {
  await engine.containers.remove(name)
  await engine.volumes.remove(name)
}
