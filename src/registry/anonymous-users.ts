import { randomBytes } from 'node:crypto'
import { identityOf, type SandboxIdentity } from './identity.ts'

/** Of the names of anonymous users, which nobody can guess. */
const ANONYMOUS_BYTES = 16

/** The users who last as long as a session of this server, by their random names. */
export class AnonymousUsers {
  readonly #installation: string
  readonly #identities = new Map<string, SandboxIdentity>()

  constructor(installation: string) {
    this.#installation = installation
  }

  /** A new one. What it makes is labelled, so that a later server can tell that it is of no use. */
  add(): { readonly user: string; readonly identity: SandboxIdentity } {
    const user = `anonymous ${randomBytes(ANONYMOUS_BYTES).toString('hex')}`
    const identity = identityOf(this.#installation, user, true)
    this.#identities.set(user, identity)
    return { user, identity }
  }

  identityOf(user: string): SandboxIdentity | undefined {
    return this.#identities.get(user)
  }

  hasHash(hash: string): boolean {
    return [...this.#identities.values()].some(({ userHash }) => userHash === hash)
  }

  delete(user: string): void {
    this.#identities.delete(user)
  }
}
