import type { Engine } from '../engine/engine.ts'
import type { Logger } from '../lib/logger.ts'
import type { ReadyRuntime } from '../runtimes/image-builder.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { SandboxIdentity } from './identity.ts'
import type { UserProfile } from './modes/user-profile.ts'
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
  sandbox: { readonly of: ReadyRuntime; readonly value: Sandbox } | undefined
}

export interface EntriesDeps {
  readonly engine: Engine
  readonly logger: Logger
  readonly profileOf: (user: string) => UserProfile
  readonly quotaOf: (profile: UserProfile, link: UserSandbox, logger: Logger) => WorkspaceQuota
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
      place: (options) => place(identity, profile, logger, options),
      onLessUse,
      onThaw,
    })
    const entry: Entry = { identity, profile, logger, link, quota: quotaOf(profile, link, logger), sandbox: undefined }
    this.#byHash.set(identity.userHash, entry)
    return entry
  }

  delete({ userHash }: SandboxIdentity): void {
    this.#byHash.delete(userHash)
  }
}

/** An anonymous session's sandbox lasts as long as its session: without a container nothing would tell its files from those of a dead server. */
export function mayBeEvicted({ identity }: Entry): boolean {
  return !identity.isAnonymous
}
