import type { Engine } from '../engine/engine.ts'
import type { Logger } from '../lib/logger.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import type { SandboxPolicy } from '../registry/sandbox-spec.ts'
import type { BackupTarget } from './target/target.ts'
import type { OnTally, ArchiveLimits } from './workspace-archive.ts'

/** What copying workspaces takes. */
export interface BackupScene {
  readonly engine: Engine
  /** An image with the supervisor in it: any runtime's will do. */
  readonly image: (options: CopyCall) => Promise<{ readonly imageId: string; readonly ociRuntime: string | undefined }>
  /** The uid of a user whose workspace is not there yet. */
  readonly uidOf: (identity: SandboxIdentity) => Promise<number>
  /** How much a user's workspace may hold. */
  readonly workspaceOf: (identity: SandboxIdentity) => SandboxPolicy['workspace']
  /** Opened at first use; `backup_unavailable` when it cannot be. */
  readonly target: () => Promise<BackupTarget>
  readonly limits: ArchiveLimits
  /** Longest time for which a running sandbox is held still, in milliseconds. */
  readonly maxHeldMs: number
  readonly logger: Logger
}

export interface CopyCall {
  readonly signal?: AbortSignal | undefined
  /** What is being done, for whoever waits. */
  readonly onProgress?: ((text: string) => void) | undefined
}

const EVERY_MS = 500

/** Turns what goes by into a text now and then. */
export function tallyTold(what: string, onProgress: CopyCall['onProgress']): OnTally | undefined {
  if (!onProgress) return undefined
  let toldAt = performance.now()
  return ({ entries, bytes }) => {
    const now = performance.now()
    if (now - toldAt < EVERY_MS) return
    toldAt = now
    onProgress(
      `${what}: ${entries.toLocaleString('en')} entries, ${Math.round(bytes / 1024 ** 2).toLocaleString('en')} MiB`,
    )
  }
}
