import type { ControlOptions, Snapshot } from '../sandbox/control.ts'
import type { SandboxIdentity } from './identity.ts'

/** Keeps copies of users' files that they ask for themselves. Whoever keeps backups implements it. */
export interface SnapshotKeeper {
  /** Copies the workspace as it is at one moment; what runs is held still for so long, and goes on. Older ones may give way. */
  take(identity: SandboxIdentity, name: string | undefined, options: ControlOptions): Promise<Snapshot>
  /** Newest first. */
  list(identity: SandboxIdentity): Promise<readonly Snapshot[]>
  /**
   * Makes a snapshot (the newest, or that of a name or id) the workspace. The exchange itself runs in `whileDown`; whatever fails before it
   * leaves everything as it was. `not_found`, naming those that there are, when there is none.
   */
  restore(
    identity: SandboxIdentity,
    wanted: string | undefined,
    whileDown: (change: () => Promise<void>) => Promise<void>,
    options: ControlOptions,
  ): Promise<Snapshot>
}
