import type { Engine } from '../engine/engine.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { Entries, Entry } from './entries.ts'
import { equip, factsOf } from './equip.ts'
import type { SandboxIdentity } from './identity.ts'
import type { AcquireOptions, ExistingOptions, SandboxLease } from './lease.ts'
import { findContainer, findWorkspace, resolveOwner } from './owner.ts'
import type { RegistryDeps } from './registry-deps.ts'
import type { Room } from './room.ts'
import { shuttingDown } from './shared-start.ts'
import type { Starts } from './starts.ts'

export interface LeasesDeps extends Pick<RegistryDeps, 'policy' | 'packages'> {
  readonly engine: Engine
  readonly entries: Entries
  readonly room: Room
  readonly starts: Starts
  readonly identityOf: (user: string) => SandboxIdentity
}

/** Gives leases: sees to a place and a sandbox that answers, and counts who uses it. */
export class Leases {
  readonly #deps: LeasesDeps
  #isClosed = false

  constructor(deps: LeasesDeps) {
    this.#deps = deps
  }

  /** None is given any more. */
  close(): void {
    this.#isClosed = true
  }

  /** See {@link SandboxProvider.acquire}. */
  async acquire(user: string, options: AcquireOptions): Promise<SandboxLease> {
    if (this.#isClosed) throw shuttingDown()
    options.signal?.throwIfAborted()
    const { entries, room, starts, identityOf } = this.#deps
    const entry = entries.of(user, identityOf(user))
    const { link } = entry
    if (!link.isUsable && (await starts.isEphemeral(entry, options))) return await this.#acquireCall(entry, options)
    const waiting = room.enter(entry, options)
    if (waiting) await waiting
    try {
      const { notice, runtime, attached } = await link.ready(options)
      if (entry.sandbox?.of.imageId !== runtime.imageId || entry.sandbox.attached !== attached) {
        const { policy, packages } = this.#deps
        const value = equip(entry, link, runtime, factsOf(entry, policy, runtime, attached), packages)
        entry.sandbox = { of: runtime, attached, value }
        // A new workspace has no past.
        if (notice !== 'created') tidy(entry, value, notice === 'resumed' || notice === 'recreated')
      }
      const sandbox = entry.sandbox.value
      let held = true
      const release = () => {
        if (held) link.releaseLease()
        held = false
      }
      return { sandbox, notice, release }
    } catch (error) {
      link.releaseLease()
      throw error
    }
  }

  /** See {@link SandboxProvider.acquireExisting}. Another server may put the sandbox to sleep between the look and the lease: then it is woken. */
  async acquireExisting(user: string, { wake, ...options }: ExistingOptions): Promise<SandboxLease | undefined> {
    const { engine, entries, identityOf } = this.#deps
    const identity = identityOf(user)
    if (entries.find(identity)?.link.isUsable) return await this.acquire(user, options)
    const call = options.signal ? { signal: options.signal } : {}
    const { mode } = entries.of(user, identity).profile
    // There is always one: the operator made it.
    if (mode?.name === 'attach' || (mode?.name === 'bind' && wake))
      return wake ? await this.acquire(user, options) : undefined
    const owner = await resolveOwner(engine, identity, call)
    const exists = wake
      ? owner.archive !== undefined || (await findWorkspace(engine, owner, call)) !== undefined
      : (await findContainer(engine, owner, call))?.state === 'running'
    return exists && (wake || entries.find(identity)?.link.isChanging !== true)
      ? await this.acquire(user, options)
      : undefined
  }

  /** A lease on a container for this call alone, which goes with the lease. */
  async #acquireCall(entry: Entry, options: AcquireOptions): Promise<SandboxLease> {
    const { policy, packages, room, starts } = this.#deps
    const { link } = entry
    const calls = (entry.calls ??= starts.calls(entry))
    const waiting = room.enter(entry, options)
    if (waiting) await waiting
    try {
      const call = await calls.take(options)
      const { runtime, isNew } = call.placed
      let held = true
      const release = () => {
        // Its place is free when its container is gone.
        if (held) void calls.end(call).finally(() => link.releaseLease())
        held = false
      }
      const facts = factsOf(entry, policy, runtime, undefined, 'ephemeral')
      const sandbox = equip(entry, call, runtime, facts, packages)
      return { sandbox, notice: isNew ? 'created' : undefined, release }
    } catch (error) {
      link.releaseLease()
      throw error
    }
  }
}

/** Beside the first call, which need not wait for it. */
function tidy({ link, logger }: Entry, sandbox: Sandbox, isNewBoot: boolean): void {
  link.addLease()
  sandbox
    .tidy(isNewBoot)
    .then(
      (removed) => removed > 0 && logger.info({ removed }, 'removed what calls of a server that was killed had left'),
      (error: unknown) => logger.warn({ err: error }, 'what calls of other servers may have left was not removed'),
    )
    .finally(() => link.releaseLease())
}
