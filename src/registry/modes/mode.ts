/** The ways in which a user's sandbox can live. What each of them does is in mode-rules.ts. */
export type ModeName = 'persistent' | 'ephemeral' | 'bind' | 'attach'

/** A mode with what it needs to know. */
export type Mode =
  /** A container that stays between calls, over a volume. */
  | { readonly name: 'persistent' }
  /** A fresh container for every call, over the same volume. */
  | { readonly name: 'ephemeral' }
  /** As persistent, over a directory of this machine that the operator named. */
  | { readonly name: 'bind'; readonly directory: string }
  /** A container that runs already, which the operator named; never stopped or removed. */
  | {
      readonly name: 'attach'
      readonly container: string
      /** Directory inside that is the workspace; the container's own working directory if left out. */
      readonly directory: string | undefined
      /** Whom commands run as; the container's own user if left out. */
      readonly uid: number | undefined
    }
