import type { Engine } from '../../engine/engine.ts'
import type { Logger } from '../../lib/logger.ts'
import { seemsAbandoned } from '../abandoned.ts'
import { callContainerLabels } from './call-containers.ts'

export interface CallLeftoversDeps {
  readonly engine: Engine
  readonly installation: string
  readonly logger: Logger
}

/**
 * Containers of calls whose server was killed. They end by themselves soon, but not one that was made and not yet started. What has ended goes at
 * once, the rest when two looks in a row found no server at it.
 */
export class CallLeftovers {
  readonly #deps: CallLeftoversDeps
  #suspects: ReadonlySet<string> = new Set()

  constructor(deps: CallLeftoversDeps) {
    this.#deps = deps
  }

  /** One look. Resolves to how many were removed, and how many the next look will remove unless a server turns out to be there. */
  async look(): Promise<{ readonly removed: number; readonly suspects: number }> {
    const { engine, installation, logger } = this.#deps
    const suspects = new Set<string>()
    let removed = 0
    for (const container of await engine.containers.list(callContainerLabels(installation))) {
      const hasEnded = container.state === 'exited'
      if (!hasEnded && !(await seemsAbandoned(engine, container))) continue
      if (!hasEnded && !this.#suspects.has(container.id)) {
        suspects.add(container.id)
        continue
      }
      await engine.containers.remove(container.id)
      removed++
    }
    this.#suspects = suspects
    if (removed > 0)
      logger.info({ containers: removed }, 'removed containers of calls whose server is gone; the files stay')
    return { removed, suspects: suspects.size }
  }
}
