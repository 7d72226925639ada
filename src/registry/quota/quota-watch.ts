import pLimit from 'p-limit'
import type { Logger } from '../../lib/logger.ts'
import type { DiskFloor, DiskState } from './disk-floor.ts'
import { lookAtDisk } from './measure.ts'
import type { WorkspaceQuota } from './workspace-quota.ts'

export interface QuotaWatchDeps {
  /** Of the sandboxes that this server holds. */
  readonly quotas: () => Iterable<WorkspaceQuota>
  readonly floor: DiskFloor
  /** The engine's disk as this machine sees it; undefined where it is another machine's. */
  readonly localDisk: () => Promise<DiskState | undefined>
  readonly logger: Logger
  /** Milliseconds between two looks. */
  readonly everyMs?: number
}

const EVERY_MS = 2000
/** Walks at once: they take the sandboxes' own share of the CPU, but the disk is everybody's. */
const WALKS = 2

/**
 * Looks at the engine's disk every now and then, which costs one system call for all sandboxes together, and at those workspaces that could
 * have outgrown their limit since they were last looked at.
 */
export class QuotaWatch {
  readonly #deps: QuotaWatchDeps
  readonly #timer: NodeJS.Timeout
  readonly #limitWalks = pLimit(WALKS)
  #looking: Promise<void> | undefined

  constructor(deps: QuotaWatchDeps) {
    this.#deps = deps
    this.#timer = setInterval(() => this.#tick(), deps.everyMs ?? EVERY_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#limitWalks.clearQueue()
  }

  /** One look, which whoever asks meanwhile shares. Resolves when the disk was seen; walks go on. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#deps.logger.error({ err: error }, 'the disk could not be looked at'))
      .finally(() => (this.#looking = undefined))
    return this.#looking
  }

  /** Without a sandbox nobody writes, and the engine is left alone. */
  #tick(): void {
    if (this.#present().length > 0) void this.look()
  }

  #present(): WorkspaceQuota[] {
    return [...this.#deps.quotas()].filter((quota) => quota.present !== undefined)
  }

  async #look(): Promise<void> {
    const { floor } = this.#deps
    const present = this.#present()
    const disk = (await this.#deps.localDisk()) ?? (await diskSeenFrom(present))
    if (disk) floor.note(disk)
    const nowMs = performance.now()
    // Not waited for: a walk through a million files takes its time.
    for (const quota of present) if (quota.isDue(disk, nowMs)) void this.#limitWalks(() => quota.look())
  }
}

/** A workspace without a size of its own lies on the engine's disk; so does the root of every sandbox (overlayfs tells of its upper layer's). */
async function diskSeenFrom(present: readonly WorkspaceQuota[]): Promise<DiskState | undefined> {
  const plain = present.find((quota) => !quota.isHeldByKernel)
  const client = (plain ?? present[0])?.present
  const seen = client && (await lookAtDisk(client, plain ? undefined : '/'))
  if (!seen) return undefined
  const { fsBytes, fsFreeBytes, fsInodes, fsFreeInodes } = seen
  return { bytes: fsBytes, freeBytes: fsFreeBytes, inodes: fsInodes, freeInodes: fsFreeInodes }
}
