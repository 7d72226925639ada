import type { ContainerDetails, Engine } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import { PING_DEADLINE_MS } from '../supervisor/connection.ts'

/** How long the engine may take to tell of a sandbox, in milliseconds: a little longer than the connection to a silent one lasts. */
const ANSWER_MS = PING_DEADLINE_MS + 1000

/**
 * Asks the engine what became of a sandbox, most often because it is silent. Its silence alone does not tell a sandbox that stands still from
 * an engine that does, for the stream goes through the engine; by the time at which the stream is given up, the engine has had its time, too.
 */
export class Inquiry {
  readonly #engine: Engine
  #asked: Promise<unknown> | undefined

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** True while the engine has not answered. */
  get isOpen(): boolean {
    return this.#asked !== undefined
  }

  /** The container as it is now; undefined when it is gone. */
  async ask(containerId: string): Promise<ContainerDetails | undefined> {
    const asked = this.#engine.containers.inspect(containerId, { deadlineMs: ANSWER_MS })
    this.#asked = asked
    try {
      return await asked
    } finally {
      if (this.#asked === asked) this.#asked = undefined
    }
  }

  /** Resolves when nothing is asked any more. Rejects with `engine_unreachable` when the engine lets the time go by: it need not be asked for more. */
  async closed(): Promise<void> {
    try {
      await this.#asked
    } catch (error) {
      if (isSandboxError(error, 'engine_unreachable')) throw error
    }
  }
}
