/** What `prune` removes, by what it was. None of it is a user's file. */
export type LeftoverKind =
  | 'ended containers'
  | 'half-made containers'
  | 'helper containers'
  | 'unused slots'
  | 'sandboxes of ended sessions'
  | 'records without files'
  | 'scratch volumes'
  | 'superseded images'

/** One thing that is of no use any more. */
export interface Leftover {
  readonly kind: LeftoverKind
  /** Unique among its kind. */
  readonly name: string
  /** On the disk; undefined where nobody knows. Images share layers, so that less may be freed. */
  readonly bytes: number | undefined
  /** True where a server may just be making it: it goes only if a second look finds it again. */
  readonly isSuspect: boolean
  /** Removes it; resolves to false when it turned out to be in use. */
  readonly remove: () => Promise<boolean>
}

/** Finds leftovers of some kinds. Changes nothing. */
export type FindLeftovers = () => Promise<readonly Leftover[]>
