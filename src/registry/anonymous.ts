/** A user without a name, whose sandbox lasts as long as a session. */
export interface AnonymousUser {
  /** A random name, which is no user's that any authentication knows. */
  readonly user: string
  /** Removes the sandbox with its files, if there is one, and lets none start any more. Rejects when the engine does not answer. */
  end(): Promise<void>
}
