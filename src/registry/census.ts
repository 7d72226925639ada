import type { Engine } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { Telemetry } from '../lib/telemetry.ts'
import type { SandboxIdentity } from './identity.ts'
import { listOwned } from './owned.ts'

export interface CensusDeps {
  readonly engine: Engine
  readonly installation: string
  /** Users who may have a sandbox, sleeping and archived ones included. 0: any number. */
  readonly maxUsers: number
  readonly telemetry: Telemetry
}

/** A sandbox is given up when somebody destroys it, which nobody can foresee: worth a look every minute. In milliseconds. */
const RETRY_AFTER_MS = 60_000

/**
 * Bounds how many users of the installation have a sandbox at all. The engine's record is counted, so servers agree; newcomers who come to two
 * servers at the same moment may both be let in, those of one server may not.
 */
export class Census {
  readonly #deps: CensusDeps
  /** Newcomers whose sandbox is being made, or was made after a count that is under way began. */
  readonly #arriving = new Set<string>()
  readonly #arrived = new Set<string>()
  #counts = 0

  constructor(deps: CensusDeps) {
    this.#deps = deps
  }

  /** Runs `start`, which may make a sandbox for the user. Rejects with `sandbox_limit` when it would be one too many. */
  async admit<T>(identity: SandboxIdentity, start: () => Promise<T>): Promise<T> {
    if (this.#deps.maxUsers === 0) return await start()
    const { userHash } = identity
    const isNew = await this.#count(userHash)
    try {
      return await start()
    } finally {
      if (isNew && this.#counts === 0) this.#arriving.delete(userHash)
      else if (isNew) this.#arrived.add(userHash)
    }
  }

  /** Resolves to whether the user is new, who then counts. */
  async #count(userHash: string): Promise<boolean> {
    const { engine, installation, maxUsers, telemetry } = this.#deps
    this.#counts++
    try {
      const owned = await listOwned(engine, installation)
      const users = new Set(owned.map(({ owner }) => owner.identity.userHash))
      if (users.has(userHash)) return false
      for (const arriving of this.#arriving) users.add(arriving)
      if (users.has(userHash) || users.size < maxUsers) {
        this.#arriving.add(userHash)
        return true
      }
    } finally {
      this.#counts--
      if (this.#counts === 0) for (const each of this.#arrived) this.#arriving.delete(each)
      if (this.#counts === 0) this.#arrived.clear()
    }
    telemetry.callRefused('too_many_users')
    throw new SandboxError('sandbox_limit', `${maxUsers} users have a sandbox, the most that this server takes.`, {
      hint: 'Call again when somebody has given theirs up (sandbox_manage destroy), or ask the operator for more (maxSandboxes).',
      retryAfterMs: RETRY_AFTER_MS,
    })
  }
}
