import type { ContainerSummary, Engine } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { ConnectionLost } from '../supervisor/errors.ts'
import { ANONYMOUS_LABELS, identityOfHash, LABEL } from './identity.ts'
import { connect } from './placement.ts'
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
    const { engine, installation, logger } = this.#deps
    const found = await this.#found()
    const suspects = new Set<string>()
    let removed = 0
    for (const [userHash, container] of found) {
      const hasEnded = container?.state === 'exited'
      if (!hasEnded && !(await this.#seemsAbandoned(container))) continue
      if (!hasEnded && !this.#suspects.has(userHash)) {
        suspects.add(userHash)
        continue
      }
      await removeEverything(engine, identityOfHash(installation, userHash, true))
      removed++
    }
    this.#suspects = suspects
    if (removed > 0) logger.info({ sandboxes: removed }, 'removed sandboxes of sessions whose server is gone')
    return { removed, suspects: suspects.size }
  }

  /** By the hash of their users, with the container where there is one. */
  async #found(): Promise<ReadonlyMap<string, ContainerSummary | undefined>> {
    const { engine, installation, isOurs } = this.#deps
    const labels = { [LABEL.installation]: installation, ...ANONYMOUS_LABELS }
    const found = new Map<string, ContainerSummary | undefined>()
    for (const { labels: of } of await engine.volumes.list(labels)) found.set(of[LABEL.user] ?? '', undefined)
    for (const each of await engine.containers.list({ ...labels, [LABEL.role]: 'sandbox' })) {
      found.set(each.labels[LABEL.user] ?? '', each)
    }
    for (const userHash of found.keys())
      if (!/^[0-9a-f]{32}$/.test(userHash) || isOurs(userHash)) found.delete(userHash)
    return found
  }

  async #seemsAbandoned(container: ContainerSummary | undefined): Promise<boolean> {
    if (!container || container.state === 'created') return true
    // A paused one cannot be asked.
    if (container.state !== 'running') return false
    try {
      const client = await connect(this.#deps.engine, container.id)
      try {
        // The one connection is ours.
        return (await client.info()).connections <= 1
      } finally {
        client.connection.close('looked')
      }
    } catch (error) {
      // On its way out or in; the next look tells.
      if (error instanceof ConnectionLost || isSandboxError(error)) return false
      throw error
    }
  }
}
