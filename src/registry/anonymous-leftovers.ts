import type { ContainerSummary, Engine } from '../engine/engine.ts'
import type { Logger } from '../lib/logger.ts'
import type { SandboxIdentity } from './identity.ts'
import { listOwned } from './owned.ts'
import { seemsAbandoned } from './abandoned.ts'
import { removeEverything } from './take-down.ts'

export interface LeftoversDeps {
  readonly engine: Engine
  readonly installation: string
  /** True for what a session of this server still uses. */
  readonly isOurs: (userHash: string) => boolean
  readonly logger: Logger
}

/**
 * What sessions without a user left behind when their server was killed. Nobody will come for it, and another server's sessions must keep theirs: as
 * long as a server lives, it is connected to the sandboxes that its sessions use. So a sandbox goes when it has ended, and else when two looks in a row
 * found no server at it: once may be one that is just being made.
 */
export class AnonymousLeftovers {
  readonly #deps: LeftoversDeps
  #suspects: ReadonlySet<string> = new Set()

  constructor(deps: LeftoversDeps) {
    this.#deps = deps
  }

  /** One look. Resolves to how many were removed, and how many the next look will remove unless somebody turns out to use them. */
  async look(): Promise<{ readonly removed: number; readonly suspects: number }> {
    const { engine, logger } = this.#deps
    const suspects = new Set<string>()
    let removed = 0
    for (const { identity, container } of await this.#found()) {
      const { userHash } = identity
      const hasEnded = container?.state === 'exited'
      if (!hasEnded && !(await seemsAbandoned(engine, container))) continue
      if (!hasEnded && !this.#suspects.has(userHash)) {
        suspects.add(userHash)
        continue
      }
      await removeEverything(engine, identity)
      removed++
    }
    this.#suspects = suspects
    if (removed > 0) logger.info({ sandboxes: removed }, 'removed sandboxes of sessions whose server is gone')
    return { removed, suspects: suspects.size }
  }

  /** Those of sessions that are not ours, with the container where there is one: it may be a slot, which the session's record names. */
  async #found(): Promise<readonly { identity: SandboxIdentity; container: ContainerSummary | undefined }[]> {
    const { engine, installation, isOurs } = this.#deps
    return (await listOwned(engine, installation))
      .map(({ owner, container }) => ({ identity: owner.identity, container }))
      .filter(({ identity }) => identity.isAnonymous && !isOurs(identity.userHash))
  }
}
