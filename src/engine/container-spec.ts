import type { Labels } from './call.ts'

/** What a sandbox's container must be. The hardening profile is not in here: a driver always applies the whole of it. */
export interface ContainerSpec {
  /** Unique: creating a second one fails with `already_exists`. */
  readonly name: string
  /** Image reference or id. Never pulled by create. */
  readonly image: string
  readonly labels: Labels
  /** The uid, and without `gid` also the gid, of PID 1 and of everything the user runs. Not 0. */
  readonly uid: number
  /** Not 0. */
  readonly gid?: number
  /** The uid that may speak to the supervisor; exec streams run as it. */
  readonly bridgeUid: number
  /** The whole environment of PID 1. */
  readonly env: Readonly<Record<string, string>>
  readonly command: readonly string[]
  readonly workDir: string
  /**
   * The one volume, mounted at `mountPath`, directly under "/": to be written, unless `readOnly`. Without one nothing outlives the
   * container.
   */
  readonly volume?: { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }
  /**
   * In place of a volume, a directory of the engine's machine that the operator named: an existing one, without links in its path. It is mounted
   * privately and alone, without what is mounted below it.
   */
  readonly bind?: { readonly source: string; readonly mountPath: string }
  readonly limits: ContainerLimits
  /**
   * "none": no interface but lo. "bridge": the engine's default network (operator's choice). "host": the host's own interfaces; never
   * for a container that runs what a user chose.
   */
  readonly network: 'none' | 'bridge' | 'host'
  /** Another OCI runtime, for instance "runsc". */
  readonly ociRuntime?: string
}

/** How much of the machine a container may use. */
export interface ContainerLimits {
  /** Also the limit of memory + swap. */
  readonly memoryBytes: number
  /** CPUs' worth of time: 1, 0.5, 2. */
  readonly cpus: number
  /** Processes and threads. */
  readonly pids: number
  /** Size of the tmpfs /tmp in bytes; counts as memory. */
  readonly tmpBytes: number
  /** Size of the tmpfs /tmp/.sandbox for spooled output in bytes; counts as memory. */
  readonly spoolBytes: number
  /** Size of /dev/shm in bytes; counts as memory. */
  readonly shmBytes: number
  /** Largest single file in bytes (RLIMIT_FSIZE). */
  readonly fileBytes: number
  /** Open files per process (RLIMIT_NOFILE). */
  readonly openFiles: number
}

/** The limits that an engine can change while the container runs. */
export type ChangeableLimits = Pick<ContainerLimits, 'memoryBytes' | 'cpus' | 'pids'>
