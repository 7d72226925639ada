import type { Engine, VolumeDetails } from '../../engine/engine.ts'
import type { Logger } from '../../lib/logger.ts'
import { askSupervisor } from '../abandoned.ts'
import type { SandboxIdentity } from '../identity.ts'
import { listHoldings, type UnownedSlot } from '../owned.ts'
import { ensureOwner } from '../owner.ts'
import { removeSlot } from './slot.ts'

export interface SlotLeftoversDeps {
  readonly engine: Engine
  readonly installation: string
  /** True for a slot of this server's pool. */
  readonly isOurs: (name: string) => boolean
  /** The user of this server whose sandbox runs in the container. */
  readonly userOf: (containerId: string) => SandboxIdentity | undefined
  /** True when there is not one file in the volume. */
  readonly isEmptyVolume: (volume: VolumeDetails) => Promise<boolean>
  readonly logger: Logger
}

/**
 * Slots that servers left behind when they were killed. As long as a server lives it is connected to its slots, so what nobody is connected
 * to in two looks in a row is nobody's: once may be one that is just being made or claimed. Of two servers that look at once, the supervisor
 * says which of them removes it (CLAIM); and what a supervisor says that was used is somebody's work, whatever the records say, and stays. Where no
 * supervisor can say, files do: `docker volume prune` may have taken the record of a user who slept in between.
 */
export class SlotLeftovers {
  readonly #deps: SlotLeftoversDeps
  #suspects: ReadonlySet<string> = new Set()

  constructor(deps: SlotLeftoversDeps) {
    this.#deps = deps
  }

  /** One look. Resolves to how many were removed, and how many the next look will remove unless somebody turns out to have them. */
  async look(): Promise<{ readonly removed: number; readonly suspects: number }> {
    const suspects = new Set<string>()
    const doomed: string[] = []
    for (const slot of await this.#unowned()) {
      if (await this.#isHeld(slot)) continue
      const isSecondLook = this.#suspects.has(slot.name)
      if (!isSecondLook) suspects.add(slot.name)
      else if (await this.#mayGo(slot)) doomed.push(slot.name)
    }
    this.#suspects = suspects
    const removed = doomed.length === 0 ? 0 : await this.#remove(doomed)
    if (removed > 0) this.#deps.logger.info({ slots: removed }, 'removed slots of servers that are gone')
    return { removed, suspects: suspects.size }
  }

  async #unowned(): Promise<readonly UnownedSlot[]> {
    const { engine, installation, isOurs } = this.#deps
    const { slots } = await listHoldings(engine, installation)
    return slots.filter(({ name }) => !isOurs(name))
  }

  /** True when somebody has it, or may have: asked of the supervisor, as far as it can be. */
  async #isHeld({ name, container }: UnownedSlot): Promise<boolean> {
    if (!container) return false
    const { engine, userOf } = this.#deps
    const user = userOf(container.id)
    if (user) {
      await this.#restoreRecord(user, name)
      return true
    }
    // A paused one cannot be asked, and no slot is paused as long as nobody has it.
    if (container.state === 'paused') return true
    if (container.state !== 'running') return false
    // The one connection is ours.
    return (await askSupervisor(engine, container.id, async (client) => (await client.info()).connections > 1)) ?? true
  }

  /** Somebody removed the record of a user of this server (`docker volume prune` does): without it their files would be lost at the next eviction. */
  async #restoreRecord(user: SandboxIdentity, slot: string): Promise<void> {
    const { engine, logger } = this.#deps
    // Not of one that is being destroyed: its container goes first.
    if (!(await engine.containers.inspect(slot))) return
    const owner = await ensureOwner(engine, user, { workspace: slot, container: slot })
    const facts = { user: user.userHash, slot }
    if (owner.volumeName === slot) logger.warn(facts, 'made the owner record anew, which somebody had removed')
    else logger.error(facts, 'two sandboxes run for one user: somebody removed the owner record of this one')
  }

  /** True when it is ours to remove. */
  async #mayGo({ name, container }: UnownedSlot): Promise<boolean> {
    if (container?.state !== 'running') return await this.#isEmpty(name)
    const { engine, logger } = this.#deps
    const mayGo = await askSupervisor(engine, container.id, async (client) => {
      if (await client.claim()) return true
      const { idleMs, uptimeMs } = await client.info()
      // Claimed by a server that died before it could make the record: nothing was ever done in it.
      if (idleMs >= uptimeMs) return true
      logger.warn({ slot: name }, 'a sandbox was used and has no owner record: it is left alone')
      return false
    })
    return mayGo ?? false
  }

  async #isEmpty(name: string): Promise<boolean> {
    const { engine, isEmptyVolume, logger } = this.#deps
    const volume = await engine.volumes.inspect(name)
    if (!volume || (await isEmptyVolume(volume))) return true
    logger.warn({ slot: name }, 'a volume holds files and has no owner record: it is left alone')
    return false
  }

  /** Removes those that still nobody has. */
  async #remove(names: readonly string[]): Promise<number> {
    // Claimed by us now, or dead: nobody gets one of them any more, so what is not owned here never will be.
    const unowned = new Set((await this.#unowned()).map(({ name }) => name))
    const ours = names.filter((name) => unowned.has(name))
    for (const name of ours) await removeSlot(this.#deps.engine, name)
    return ours.length
  }
}
