import type { Config } from '../config/settings.ts'
import { IDLE_EXIT_FACTOR } from '../registry/modes/user-profile.ts'
import type { SandboxPolicy } from '../registry/sandbox-spec.ts'

/** Bytes of each sandbox's tmpfs for spooled output and of its /dev/shm: both count as its memory. */
const SPOOL_BYTES = 64 * 1024 ** 2
const SHM_BYTES = 64 * 1024 ** 2

/** What the settings say about every sandbox, as of now. */
export function policyOf(config: Config): SandboxPolicy {
  return {
    limits: {
      memoryBytes: config.memory,
      cpus: config.cpus,
      pids: config.pids,
      tmpBytes: config.tmpSize,
      spoolBytes: SPOOL_BYTES,
      shmBytes: SHM_BYTES,
      fileBytes: config.fileSize,
      openFiles: config.openFiles,
    },
    workspace: {
      limits: { bytes: config.workspaceSize, files: config.workspaceFiles },
      volumeOptions: config.volumeOptions,
    },
    network: config.network,
    ociRuntime: config.ociRuntime || undefined,
    maxTimeoutMs: config.maxTimeout,
    sinceMs: Date.now(),
    idleExitMs: config.idleTimeout * IDLE_EXIT_FACTOR,
  }
}

/** Many users come over HTTP, and new ones at any time; over stdio there is one, who is new once. */
const HTTP_POOL_SIZE = 2

/** How many sandboxes of each runtime are to be ready before their user is known. */
export function poolSizesOf({ poolSize, transport, runtime }: Config): ReadonlyMap<string, number> {
  if (typeof poolSize === 'object') return poolSize
  return new Map([[runtime, poolSize ?? (transport === 'http' ? HTTP_POOL_SIZE : 0)]])
}
