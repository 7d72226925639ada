import { SandboxError } from '../errors/sandbox-error.ts'
import { type Entries, type Entry, mayBeEvicted } from './entries.ts'

export interface RoomDeps {
  readonly entries: Entries
  /** Sandboxes that may run for this server at once. */
  readonly maxSandboxes: number
  /** Puts one to sleep unless somebody uses it; resolves to whether it did. */
  readonly evict: (entry: Entry) => Promise<boolean>
}

/** The places of this server's running sandboxes. */
export class Room {
  readonly #deps: RoomDeps

  constructor(deps: RoomDeps) {
    this.#deps = deps
  }

  /** At the limit the sandbox that was idle longest goes to sleep; if none is idle the caller is told to come back: `sandbox_limit`. */
  async make(newcomer: Entry): Promise<void> {
    const { entries, maxSandboxes, evict } = this.#deps
    const others = [...entries].filter((entry) => entry !== newcomer)
    // A lease counts before its sandbox starts, so that two newcomers do not take the same place.
    const taken = others.filter(({ link }) => link.leases > 0 || link.isConnected || link.isStarting)
    if (taken.length < maxSandboxes) return
    const idle = others
      .filter(mayBeEvicted)
      .filter(({ link }) => link.isConnected && link.idleMs > 0)
      .sort((a, b) => b.link.idleMs - a.link.idleMs)
    for (const entry of idle) if (await evict(entry)) return
    throw new SandboxError('sandbox_limit', `All ${maxSandboxes} sandboxes of this server are in use.`)
  }
}
