import type { SandboxIdentity } from './identity.ts'

export interface ArchiveOptions {
  /** Fires when the user is back: see {@link Archiver.archive}. */
  readonly signal?: AbortSignal | undefined
  /** Called with a short text for each step that takes time, for whoever waits. */
  readonly onProgress?: ((text: string) => void) | undefined
}

/**
 * The last step of the ladder: takes the files of a user who has slept for long out of the engine, and brings them back. Whoever keeps
 * backups implements it; the registry decides when.
 */
export interface Archiver {
  /**
   * Notes the intent in the owner record, backs the user's workspace up, verifies the backup, notes its id in the record that follows, and then
   * removes the volume: in this order, so that whatever dies in between, the files are in one of the two places. Called while this server starts
   * nothing for the user; another server may, which then replaces the record of the intent (`wakeOwner`), so that the next one is not made.
   *
   * Rejects with the signal's reason when it fires before the record names the backup: the files are then where they were. From there on it
   * goes on to the end, and the caller restores. Resolves to whether the files are archived now: false when there is no workspace, or
   * when somebody has used it meanwhile. Rejects with `engine_failed` when something in the workspace cannot be copied, and with what a backup rejects with.
   */
  archive(identity: SandboxIdentity, options?: ArchiveOptions): Promise<boolean>
  /**
   * Brings the backup of this id back as the user's workspace; afterwards the owner record names the volume and no archive. Nothing of
   * the user is started before it has resolved. Rejects with SandboxError when the backup is out of reach or damaged: the record is
   * then as it was, so that a later call tries again and no empty workspace takes the place of the files.
   */
  restore(identity: SandboxIdentity, archive: string, options?: ArchiveOptions): Promise<void>
}
