import pLimit from 'p-limit'
import type { Engine } from '../engine/engine.ts'
import type { Logger } from '../lib/logger.ts'
import type { Entry } from './entries.ts'
import { resolveOwner } from './owner.ts'
import type { Room } from './room.ts'

/** Whose sandboxes are made ready before their first call: nobody's · of users who have a workspace already · everybody's. */
export type PrewarmRule = 'never' | 'returning' | 'always'

export interface PrewarmerDeps {
  readonly engine: Engine
  readonly room: Room
  readonly rule: PrewarmRule
  /** True for a user whose sandbox stays between calls and is this server's to start. */
  readonly isKept: (entry: Entry) => Promise<boolean>
  /** True while a user waits for a start. */
  readonly isBusy: () => boolean
  readonly logger: Logger
}

/** Users whose sandbox is to be made ready; further ones wait for their first call, as they would without. */
const MAX_WAITING = 64

/**
 * Makes sandboxes ready while their users' clients connect and think, so that the first call finds them running. Never at the price of
 * somebody who waits: one at a time, only where there is a free place, and while no user's own start is under way. It tells the user
 * nothing, so the first call still says what became of the sandbox.
 */
export class Prewarmer {
  readonly #deps: PrewarmerDeps
  readonly #turn = pLimit(1)
  #isStopped = false

  constructor(deps: PrewarmerDeps) {
    this.#deps = deps
  }

  /** Makes the user's sandbox ready, if the rule says so and nothing speaks against it. Never rejects: a failure is a line in the log, and the first call meets it. */
  async warm(entryOf: () => Entry): Promise<void> {
    const { rule, logger } = this.#deps
    if (rule === 'never' || this.#turn.pendingCount >= MAX_WAITING) return
    try {
      const entry = entryOf()
      if (!entry.link.takesPlace) await this.#turn(() => this.#warm(entry))
    } catch (err) {
      logger.info({ err }, 'a sandbox was not made ready before its first call')
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#turn.clearQueue()
  }

  async #warm(entry: Entry): Promise<void> {
    const { identity, link, logger } = entry
    const { engine, rule, room, isKept, isBusy } = this.#deps
    if (!(await isKept(entry))) return
    const owner = await resolveOwner(engine, identity)
    // What is in a backup comes back when it is asked for: that may take long, and much of the disk.
    if (owner.archive !== undefined || (rule === 'returning' && owner.isNew)) return
    if (this.#isStopped || isBusy() || link.takesPlace || !room.hasSpare) return
    link.addLease()
    try {
      await link.client()
      logger.debug({}, 'the sandbox was made ready before its first call')
    } finally {
      link.releaseLease()
    }
  }
}
