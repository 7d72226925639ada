import type { Engine } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { ConnectionLost } from '../supervisor/errors.ts'
import { HOLD_MS } from './eviction-hold.ts'
import { listOwned } from './owned.ts'
import { connect } from './connect.ts'

export interface FrozenLeftoversDeps {
  readonly engine: Engine
  readonly installation: string
  /** True for a container that this server holds. */
  readonly isOurs: (containerId: string) => boolean
  readonly logger: Logger
}

/** What another server turned out to hold is not asked again for so long, in milliseconds: to ask, it has to be thawed. */
const ASK_AGAIN_MS = 10 * 60_000

/**
 * Sandboxes that a server froze before it was killed. Nobody will thaw them but their users' next call, and frozen they cannot end by
 * themselves, as what no server visits does. So what is found frozen in two looks in a row, and held by no server, is thawed. Whether one holds it
 * only its supervisor knows: one that is held is frozen again.
 */
export class FrozenLeftovers {
  readonly #deps: FrozenLeftoversDeps
  #suspects: ReadonlySet<string> = new Set()
  /** When they turned out to be held, by container. */
  readonly #held = new Map<string, number>()

  constructor(deps: FrozenLeftoversDeps) {
    this.#deps = deps
  }

  /** One look. Resolves to how many were thawed, and how many the next look will ask. */
  async look(): Promise<{ readonly thawed: number; readonly suspects: number }> {
    const { engine, installation, isOurs, logger } = this.#deps
    const containers = (await listOwned(engine, installation)).flatMap(({ container }) => container ?? [])
    const frozen = containers.filter(({ id, state }) => state === 'paused' && !isOurs(id)).map(({ id }) => id)
    for (const id of this.#held.keys()) if (!frozen.includes(id)) this.#held.delete(id)
    const now = performance.now()
    const unknown = frozen.filter((id) => now - (this.#held.get(id) ?? -Infinity) >= ASK_AGAIN_MS)
    const suspects = this.#suspects
    this.#suspects = new Set(unknown.filter((id) => !suspects.has(id)))
    let thawed = 0
    for (const id of unknown.filter((each) => suspects.has(each))) {
      if (await this.#thaw(id)) thawed++
      else this.#held.set(id, now)
    }
    if (thawed > 0) logger.info({ sandboxes: thawed }, 'thawed sandboxes whose server is gone')
    return { thawed, suspects: this.#suspects.size }
  }

  /** False when a server holds it. */
  async #thaw(id: string): Promise<boolean> {
    const { engine } = this.#deps
    try {
      await engine.containers.unpause(id)
      const client = await connect(engine, id)
      try {
        // One connection is ours.
        if ((await client.info()).connections <= 1) return true
        const { ok } = await client.quiesce(0, HOLD_MS)
        if (ok) await engine.containers.pause(id)
        return false
      } finally {
        client.connection.close('asked')
      }
    } catch (error) {
      // Thawed or removed by somebody else, or on its way out: no longer frozen.
      if (
        error instanceof ConnectionLost ||
        isSandboxError(error, 'engine_failed') ||
        isSandboxError(error, 'not_found')
      ) {
        return true
      }
      throw error
    }
  }
}
