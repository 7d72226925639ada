import type { Readable } from 'node:stream'

/**
 * The seam between the sandbox product and a container system. A driver places containers, keeps volumes and images, and opens
 * one stream into a container; everything else is the supervisor's.
 *
 * Every method takes an optional AbortSignal and has a deadline of its own, so that none waits for ever. Errors are SandboxError:
 * `engine_unreachable` (nobody answers, or not in time), `engine_failed` (it answered with a fault), `image_unavailable`,
 * `not_found`, `already_exists` (name taken), `disk_full`, `cancelled` (the signal fired), `unsafe_engine`.
 */
export interface Engine {
  /** Name of the driver: "docker", "fake". */
  readonly driver: string
  ping(options?: CallOptions): Promise<void>
  info(options?: CallOptions): Promise<EngineInfo>
  readonly containers: Containers
  readonly volumes: Volumes
  readonly images: Images
  /**
   * Container events from now on, until the signal fires (then the iteration ends without an error). Connects again by itself after a cut, or
   * while no engine answers, and says so by `reconnected`: what happened in between may not be told.
   */
  events(filter: Labels, signal: AbortSignal): AsyncIterable<EngineEvent>
  /** Frees sockets. The engine must not be used afterwards. */
  close(): Promise<void>
}

export interface CallOptions {
  readonly signal?: AbortSignal
  /** Milliseconds until the call fails with `engine_unreachable`. Each call has its own default. */
  readonly deadlineMs?: number
}

export type Labels = Readonly<Record<string, string>>

export interface EngineInfo {
  readonly version: string
  readonly apiVersion: string
  /** "linux/amd64", "linux/arm64": the platform that containers run on. */
  readonly platform: string
  readonly cpus: number
  readonly memoryBytes: number
  /** True when the engine maps container uids to other host uids, so that only 65,536 uids exist inside. */
  readonly userNamespaces: boolean
  readonly seccomp: boolean
  /** Names of the OCI runtimes that can be asked for: "runc", "runsc", … */
  readonly ociRuntimes: readonly string[]
  /** Versions of the engine's parts as they tell them: "Engine", "containerd", "runc". */
  readonly components: Readonly<Record<string, string>>
  /** The kernel's control groups, and which limits the engine can set with them. */
  readonly cgroup: {
    readonly version: string
    readonly memory: boolean
    readonly swap: boolean
    readonly pids: boolean
  }
  /** Containers run on while the engine is restarted. */
  readonly liveRestore: boolean
  /** Directory of images and volumes on the engine's machine. */
  readonly rootDir: string
}

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

export type ContainerState = 'created' | 'running' | 'paused' | 'exited'

export interface ContainerSummary {
  readonly id: string
  readonly name: string
  readonly state: ContainerState
  readonly labels: Labels
  readonly image: string
}

export interface ContainerDetails extends ContainerSummary {
  /** Image id ("sha256:…") that it was created from. */
  readonly imageId: string
  /** Unix time in ms of the last start; 0 if never. */
  readonly startedAtMs: number
  readonly exitCode: number | undefined
  readonly oomKilled: boolean
  /** Its working directory; empty when it has none. */
  readonly workDir: string
  /** The environment of its first program: lines "NAME=value". */
  readonly env: readonly string[]
  /** What is in force, read back from the engine: compare it with the spec before the container is used. */
  readonly effective: EffectiveProfile
}

/** The protections that are in force, in the driver-neutral words of security profile. */
export interface EffectiveProfile {
  readonly user: string
  readonly memoryBytes: number
  readonly memorySwapBytes: number
  readonly nanoCpus: number
  readonly pids: number
  readonly readOnlyRoot: boolean
  readonly privileged: boolean
  readonly capAdd: readonly string[]
  /** True when every capability is dropped. */
  readonly capsDropped: boolean
  readonly noNewPrivileges: boolean
  /** True when a seccomp profile that is not "unconfined" is set. */
  readonly seccomp: boolean
  readonly networkMode: string
  readonly pidMode: string
  readonly ipcMode: string
  readonly mounts: readonly {
    readonly type: string
    /** Of a volume its name, of a directory its path on the engine's machine. */
    readonly name: string
    readonly target: string
    readonly readOnly: boolean
    /** Of a directory: whether mounts made on one side show on the other (mount_namespaces(7)). */
    readonly propagation?: string
  }[]
}

export interface Containers {
  /** Creates, does not start. Reads the effective profile back; on a mismatch removes the container and fails with `unsafe_engine`. */
  create(spec: ContainerSpec, options?: CallOptions): Promise<{ readonly id: string }>
  /** Starting a running container does nothing. */
  start(idOrName: string, options?: CallOptions): Promise<void>
  /** SIGTERM, `graceMs`, SIGKILL. A stopped container is left as it is. */
  stop(idOrName: string, options?: CallOptions & { readonly graceMs?: number }): Promise<void>
  pause(idOrName: string, options?: CallOptions): Promise<void>
  unpause(idOrName: string, options?: CallOptions): Promise<void>
  /**
   * Kills and removes, keeps volumes. A missing container is not an error. With `unlessRunning` one that runs or is paused by then is left
   * as it is: the engine decides in one step, so that a start by somebody else cannot slip in between.
   */
  remove(idOrName: string, options?: CallOptions & { readonly unlessRunning?: boolean }): Promise<void>
  /**
   * Changes limits in place, of a container in whatever state; what runs in it goes on. Reads back what is in force: `unsafe_engine` when it
   * is something else. `engine_failed` when the engine or the kernel refuses, as it may with less memory than is in use.
   */
  update(idOrName: string, limits: ChangeableLimits, options?: CallOptions): Promise<void>
  /** undefined when there is none. */
  inspect(idOrName: string, options?: CallOptions): Promise<ContainerDetails | undefined>
  /** All containers, running or not, that carry all these labels. */
  list(labels: Labels, options?: CallOptions): Promise<readonly ContainerSummary[]>
  /** Runs `command` in the running container, as `uid`, and gives its stdin and stdout as one stream. */
  openStream(idOrName: string, spec: StreamSpec, options?: CallOptions): Promise<ContainerStream>
  /**
   * Puts a program into a container that the operator named, unless it is there as it should be: a directory right under "/" with this one file,
   * both root's, writable by nobody. Reads back what is there; `unsafe_engine` when that is something else. Never for a name that sandboxed code
   * has a say in: it works as root.
   */
  putProgram(idOrName: string, program: ProgramFile, options?: CallOptions): Promise<void>
}

export interface ProgramFile {
  /** Name of the directory, without a slash. */
  readonly directory: string
  /** Name of the file, without a slash. */
  readonly name: string
  readonly content: Uint8Array
}

export interface StreamSpec {
  readonly command: readonly string[]
  readonly uid: number
}

/** A byte stream to a program in the container: what is written arrives at its stdin, what it prints on stdout is read. */
export interface ContainerStream {
  /** Resolves when the bytes were taken and more are welcome (back-pressure). Rejects once the stream is closed. */
  write(data: Uint8Array): Promise<void>
  /** Called with each piece of stdout, in order. Set once, directly after opening; nothing is read before. */
  onData(listener: (data: Buffer) => void): void
  /** Called once, when the stream has ended for whatever reason; `stderr` is at most its last 4 KiB, for the log. */
  onClose(listener: (reason: { readonly error?: Error; readonly stderr: string }) => void): void
  pause(): void
  resume(): void
  /** Idempotent. Also ends the program's stdin. */
  close(): void
}

export interface VolumeDetails {
  readonly name: string
  readonly labels: Labels
}

export interface Volumes {
  /**
   * Creates it, or gives the one of that name as it is: with its own labels and driver options, not the ones asked for. `engine_failed` for
   * options that the driver does not know.
   */
  ensure(
    name: string,
    labels: Labels,
    options?: CallOptions & {
      /** For the volume driver: its type, device and size, in the driver's own words. */
      readonly driverOptions?: Labels
    },
  ): Promise<VolumeDetails>
  inspect(name: string, options?: CallOptions): Promise<VolumeDetails | undefined>
  list(labels: Labels, options?: CallOptions): Promise<readonly VolumeDetails[]>
  /** Deletes the files for good. A missing volume is not an error; one in use is `engine_failed`. */
  remove(name: string, options?: CallOptions): Promise<void>
}

export interface ImageDetails {
  /** "sha256:…" */
  readonly id: string
  readonly tags: readonly string[]
  readonly labels: Labels
  readonly sizeBytes: number
  /** "linux/amd64" */
  readonly platform: string
  readonly env: readonly string[]
  /** When it last got a tag, or, where the engine does not note that, was made, in Unix milliseconds; undefined when neither is known. */
  readonly taggedAtMs: number | undefined
}

export interface Images {
  inspect(reference: string, options?: CallOptions): Promise<ImageDetails | undefined>
  list(labels: Labels, options?: CallOptions): Promise<readonly ImageDetails[]>
  /** `image_unavailable` when no registry has it or none answers. */
  pull(reference: string, options?: CallOptions & { readonly onProgress?: ProgressListener }): Promise<ImageDetails>
  /** Builds from a tar stream that holds a Dockerfile. `image_unavailable` with the failing step in the message and in `details.step`, and its last lines in `details.log`. */
  build(
    context: Readable,
    spec: BuildSpec,
    options?: CallOptions & { readonly onProgress?: ProgressListener },
  ): Promise<ImageDetails>
  tag(reference: string, newReference: string, options?: CallOptions): Promise<void>
  /** A missing image is not an error; one in use is `engine_failed`. */
  remove(reference: string, options?: CallOptions): Promise<void>
}

export interface BuildSpec {
  readonly tag: string
  readonly labels: Labels
  readonly buildArgs?: Readonly<Record<string, string>>
  /** Network of the RUN steps. */
  readonly network?: 'default' | 'none' | 'host'
}

export interface Progress {
  readonly step: number
  readonly steps: number
  readonly text: string
}
export type ProgressListener = (progress: Progress) => void

export type EngineEvent = ContainerEvent | ReconnectedEvent

/** The engine is there again after a cut. */
export interface ReconnectedEvent {
  readonly type: 'reconnected'
  readonly timeMs: number
}

export interface ContainerEvent {
  /** `oom`: the kernel ended a process of it for want of memory · `update`: its limits were changed. */
  readonly type: 'start' | 'die' | 'oom' | 'destroy' | 'pause' | 'unpause' | 'update'
  readonly containerId: string
  readonly labels: Labels
  readonly timeMs: number
}
