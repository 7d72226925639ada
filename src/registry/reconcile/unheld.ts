import pLimit from 'p-limit'
import type { ContainerSummary, Engine } from '../../engine/engine.ts'
import { isSandboxError } from '../../errors/sandbox-error.ts'
import type { Logger } from '../../lib/logger.ts'
import { ConnectionLost } from '../../supervisor/errors.ts'
import { connect } from '../connect.ts'
import { underHold } from '../eviction-hold.ts'

/** A sandbox that this server does not hold. */
export interface UnheldSandbox {
  readonly container: ContainerSummary
  /** Idle time after which it is put to sleep, in milliseconds; 0: never. */
  readonly idleTimeoutMs: number
}

export interface UnheldDeps {
  readonly engine: Engine
  readonly logger: Logger
  /** A clock that only goes forward, in milliseconds. */
  readonly now: () => number
}

/** Sandboxes that are asked at the same time: each is an exec, which is CPU. */
const MAX_ASKED = 2
const ANSWER_MS = 10_000
/** One that is in use is not asked again sooner, in milliseconds. */
const ASK_AGAIN_MS = 60_000

interface Watched {
  /** Before, it cannot have been idle for long enough. */
  dueAtMs: number
  /** Since when it does not answer. */
  silentSinceMs: number | undefined
}

/**
 * Puts to sleep what runs and this server does not hold: after a server was killed nobody else would, for its users may never come back. Another
 * server may hold it and use it; whether it does only the supervisor knows, which counts the use of all, so that one is asked: it grants a hold
 * (QUIESCE) only for a sandbox that nobody has used for the whole idle time, which its own server would put to sleep, too. Asking is no use.
 *
 * Asking costs an exec, so a sandbox is asked only when it can be due: at first sight, and then as late as its answer allows. A frozen one is not asked
 * before it has stood still for the whole time in this server's sight: then once thawed it is due, or somebody has thawed and used it meanwhile.
 * One that answers nobody for the whole idle time is removed, too; until then its user's next call may bring it back.
 */
export class UnheldSandboxes {
  readonly #deps: UnheldDeps
  readonly #watched = new Map<string, Watched>()
  readonly #limit = pLimit(MAX_ASKED)

  constructor(deps: UnheldDeps) {
    this.#deps = deps
  }

  /** Resolves to how many were put to sleep. */
  async look(unheld: readonly UnheldSandbox[]): Promise<number> {
    const present = new Set(unheld.map(({ container }) => container.id))
    for (const id of this.#watched.keys()) if (!present.has(id)) this.#watched.delete(id)
    const asleep = await Promise.all(unheld.map((each) => this.#limit(() => this.#look(each))))
    return asleep.filter(Boolean).length
  }

  async #look({ container, idleTimeoutMs }: UnheldSandbox): Promise<boolean> {
    const { now } = this.#deps
    if (idleTimeoutMs === 0) return false
    const isFrozen = container.state === 'paused'
    const watched = this.#watched.get(container.id) ?? {
      dueAtMs: isFrozen ? now() + idleTimeoutMs : now(),
      silentSinceMs: undefined,
    }
    this.#watched.set(container.id, watched)
    if (now() < watched.dueAtMs) return false
    return await this.#ask(container, idleTimeoutMs, watched)
  }

  async #ask({ id, state }: ContainerSummary, idleTimeoutMs: number, watched: Watched): Promise<boolean> {
    const { engine, logger, now } = this.#deps
    try {
      if (state === 'paused') await engine.containers.unpause(id)
      const client = await connect(engine, id)
      try {
        watched.silentSinceMs = undefined
        const { idleMs } = await client.info()
        const isAsleep = await underHold(client, idleTimeoutMs, ANSWER_MS, () => engine.containers.remove(id))
        watched.dueAtMs = now() + Math.max(idleTimeoutMs - idleMs, Math.min(ASK_AGAIN_MS, idleTimeoutMs))
        if (isAsleep) logger.info({ container: id }, 'put to sleep a sandbox that no server used; the files stay')
        return isAsleep
      } finally {
        client.connection.close('looked')
      }
    } catch (error) {
      // Gone meanwhile, or on its way in or out: the next look tells.
      if (isSandboxError(error, 'not_found')) return false
      if (!(error instanceof ConnectionLost) && !isSandboxError(error, 'engine_failed')) throw error
      return await this.#onSilence(id, idleTimeoutMs, watched)
    }
  }

  async #onSilence(id: string, idleTimeoutMs: number, watched: Watched): Promise<boolean> {
    const { engine, logger, now } = this.#deps
    watched.silentSinceMs ??= now()
    watched.dueAtMs = now() + Math.min(ASK_AGAIN_MS, idleTimeoutMs)
    if (now() - watched.silentSinceMs < idleTimeoutMs) return false
    logger.warn({ container: id }, 'removed a sandbox that answered nobody for its idle time; the files stay')
    await engine.containers.remove(id)
    return true
  }
}
