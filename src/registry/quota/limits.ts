import type { Mode } from '../modes/mode.ts'

/** How much one user's workspace may hold. 0: as much as there is room for. */
export interface WorkspaceLimits {
  /** Bytes on the disk: a sparse file counts for what it has, a file with several names once. */
  readonly bytes: number
  /** Files, directories and links. */
  readonly files: number
}

/** The disk is the limit. */
export const NO_LIMITS: WorkspaceLimits = { bytes: 0, files: 0 }

/** In a directory or a container of the operator's own how much there is is theirs to say. */
export function limitsIn(mode: Mode['name'] | undefined, limits: WorkspaceLimits): WorkspaceLimits {
  return mode === 'bind' || mode === 'attach' ? NO_LIMITS : limits
}
