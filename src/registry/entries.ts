import type { Engine } from '../engine/engine.ts'
import type { Logger } from '../lib/logger.ts'
import type { ReadyRuntime } from '../runtimes/image-builder.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import type { SandboxIdentity } from './identity.ts'
import type { AttachedFacts } from './modes/attach.ts'
import type { EphemeralCalls } from './modes/ephemeral-calls.ts'
import { rulesOf, type UserProfile } from './modes/user-profile.ts'
import type { PlacedSandbox, PlacementOptions } from './placement.ts'
import type { WorkspaceQuota } from './quota/workspace-quota.ts'
import { UserSandbox } from './user-sandbox.ts'

/** What this server holds of one user's sandbox. */
export interface Entry {
  readonly identity: SandboxIdentity
  /** What the operator says about the user. */
  readonly profile: UserProfile
  /** Its lines name the user by a hash. */
  readonly logger: Logger
  readonly link: UserSandbox
  /** What its workspace holds and may hold. */
  readonly quota: WorkspaceQuota
  /** Made at the first start, and again with another runtime: its facts come from the runtime's image. */
  sandbox:
    | { readonly of: ReadyRuntime; readonly attached: AttachedFacts | undefined; readonly value: Sandbox }
    | undefined
  /** Where each call has a container of its own. */
  calls: EphemeralCalls | undefined
}

export interface EntriesDeps {
  readonly engine: Engine
  readonly logger: Logger
  readonly profileOf: (user: string) => UserProfile
  readonly quotaOf: (
    profile: UserProfile,
    present: () => SupervisorClient | undefined,
    logger: Logger,
  ) => WorkspaceQuota
  /** Brings the sandbox of the user to life. */
  readonly place: (
    identity: SandboxIdentity,
    profile: UserProfile,
    logger: Logger,
    options: PlacementOptions,
  ) => Promise<PlacedSandbox>
  /** See {@link UserSandboxDeps}. */
  readonly onLessUse: () => void
  readonly onThaw: (ms: number) => void
}

/** The sandboxes that this server holds, by the hash of their users: an index of what the engine has, never more than that. */
export class Entries implements Iterable<Entry> {
  readonly #deps: EntriesDeps
  readonly #byHash = new Map<string, Entry>()

  constructor(deps: EntriesDeps) {
    this.#deps = deps
  }

  [Symbol.iterator](): IterableIterator<Entry> {
    return this.#byHash.values()
  }

  find({ userHash }: SandboxIdentity): Entry | undefined {
    return this.#byHash.get(userHash)
  }

  /** The user's entry, made when there is none; starts nothing. */
  of(user: string, identity: SandboxIdentity): Entry {
    const found = this.find(identity)
    if (found) return found
    const { engine, profileOf, quotaOf, place, onLessUse, onThaw } = this.#deps
    const profile = profileOf(user)
    const logger = this.#deps.logger.child({ user: identity.userHash })
    const link = new UserSandbox({
      engine,
      logger,
      isOurs: rulesOf(profile).container !== 'the operator’s',
      place: (options) => place(identity, profile, logger, options),
      onLessUse,
      onThaw,
    })
    const quota = quotaOf(profile, () => entry.calls?.present ?? link.present, logger)
    const entry: Entry = { identity, profile, logger, link, quota, sandbox: undefined, calls: undefined }
    this.#byHash.set(identity.userHash, entry)
    return entry
  }

  delete({ userHash }: SandboxIdentity): void {
    this.#byHash.delete(userHash)
  }
}

/** An anonymous session's sandbox lasts as long as its session: without a container nothing would tell its files from those of a dead server. */
export function mayBeEvicted({ identity, profile }: Entry): boolean {
  return !identity.isAnonymous && rulesOf(profile).evicts
}

/** How many of this server's places for containers the user has. */
export function placesOf({ link, calls, profile }: Entry): number {
  if (!rulesOf(profile).takesPlace) return 0
  // Its lease counts before a call has its container.
  return calls ? link.leases + Number(calls.hasStandby) : Number(link.takesPlace)
}
