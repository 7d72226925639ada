import type { ContainerEvent, Engine } from '../../engine/engine.ts'
import type { Telemetry } from '../../lib/telemetry.ts'
import { type Entries, type Entry, mayBeEvicted } from '../entries.ts'
import { DRIFT_IDLE_MS } from './adjust.ts'
import { driftOf } from './drift.ts'

export interface HeldDeps {
  readonly engine: Engine
  readonly entries: Entries
  readonly telemetry: Telemetry
  /** Puts one to sleep if nobody used it for so long, so that the next call makes it anew. */
  readonly evict: (entry: Entry, minIdleMs: number) => Promise<boolean>
  /** A clock that only goes forward, in milliseconds. */
  readonly now: () => number
}

/** How often a sandbox that is held is inspected, in milliseconds; what was changed in between was told by an event, mostly. */
const INSPECT_EVERY_MS = 10 * 60_000
/** An `oom` this long before the end of a container was its cause, in milliseconds. */
const OOM_BEFORE_MS = 10_000

/** What becomes of the sandboxes that this server holds without its doing. */
export class HeldSandboxes {
  readonly #deps: HeldDeps
  /** When each was inspected last, by container. */
  readonly #inspectedAtMs = new Map<string, number>()
  readonly #oomAtMs = new Map<string, number>()

  constructor(deps: HeldDeps) {
    this.#deps = deps
  }

  /** The entry whose container this is. */
  of(containerId: string): Entry | undefined {
    for (const entry of this.#deps.entries) if (entry.link.containerId === containerId) return entry
    return undefined
  }

  /**
   * Takes notice of what happened to a container. The connection is left to end by itself: what the supervisor said last may still be on its
   * way. True when the engine should be looked at.
   */
  onEvent({ type, containerId }: ContainerEvent): boolean {
    const entry = this.of(containerId)
    if (!entry) return type === 'die'
    const { link, logger } = entry
    // Of our own doing.
    if (link.isChanging || link.isStarting) return false
    if (type === 'oom') {
      this.#oomAtMs.set(containerId, this.#deps.now())
      logger.warn({ container: containerId }, 'the sandbox ran out of memory')
    }
    if (type === 'die') this.#onDie(entry, containerId)
    if (type === 'update') this.#inspectedAtMs.delete(containerId)
    if (type === 'pause' || type === 'unpause') this.#onPause(entry, type === 'pause')
    return type === 'die' || type === 'update'
  }

  /** Finds what is no longer as it should be, and makes anew what nobody uses. */
  async look(): Promise<void> {
    const entries = [...this.#deps.entries].filter(mayBeEvicted)
    const held = new Set(entries.flatMap(({ link }) => link.containerId ?? []))
    for (const memory of [this.#inspectedAtMs, this.#oomAtMs])
      for (const id of memory.keys()) if (!held.has(id)) memory.delete(id)
    for (const entry of entries) await this.#look(entry)
  }

  async #look(entry: Entry): Promise<void> {
    const { evict, telemetry } = this.#deps
    const { containerId, outdated } = entry.link
    if (containerId === undefined) return
    const weaker = await this.#weaker(entry, containerId)
    if (weaker.length > 0) {
      entry.logger.warn({ container: containerId, weaker }, 'the sandbox lost protections; it is made anew')
      if (await evict(entry, 0)) telemetry.sandboxDrift('protections', 'recreated')
    } else if (outdated.length > 0 && (await evict(entry, DRIFT_IDLE_MS))) {
      for (const each of outdated) telemetry.sandboxDrift(each, 'recreated')
    }
  }

  /** Protections that are missing, where it is time to ask; one that lacks some is asked again until it is gone. */
  async #weaker({ link }: Entry, containerId: string): Promise<readonly string[]> {
    const { engine, now } = this.#deps
    const { wanted } = link
    const inspectedAtMs = this.#inspectedAtMs.get(containerId)
    if (!wanted || (inspectedAtMs !== undefined && now() - inspectedAtMs < INSPECT_EVERY_MS)) return []
    const found = await engine.containers.inspect(containerId)
    const weaker = found ? driftOf(found, wanted).weaker : []
    if (weaker.length === 0) this.#inspectedAtMs.set(containerId, now())
    return weaker
  }

  #onDie({ logger }: Entry, containerId: string): void {
    const oomAtMs = this.#oomAtMs.get(containerId)
    const wasOom = oomAtMs !== undefined && this.#deps.now() - oomAtMs < OOM_BEFORE_MS
    this.#deps.telemetry.sandboxDisturbed(wasOom ? 'oom' : 'die')
    logger.warn({ container: containerId, wasOom }, 'the sandbox was ended from outside; the files stay')
  }

  /** Not of our own doing where this server's own step down the ladder is neither under way nor done. */
  #onPause({ link, logger }: Entry, isPause: boolean): void {
    const isKnown = (link.rung === 'frozen') === isPause
    if (isKnown) return
    if (isPause) {
      this.#deps.telemetry.sandboxDisturbed('pause')
      logger.warn({ container: link.containerId }, 'the sandbox was frozen from outside')
    }
    // Thaws it at once when calls wait for it.
    link.look().catch((error: unknown) => {
      logger.warn({ container: link.containerId, err: error }, 'a frozen sandbox could not be looked at')
    })
  }
}
