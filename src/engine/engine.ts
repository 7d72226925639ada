import type { CallOptions, Labels } from './call.ts'
import type { Containers } from './containers.ts'
import type { EngineEvent } from './events.ts'
import type { Images } from './images.ts'
import type { Volumes } from './volumes.ts'

export type * from './call.ts'
export type * from './container-spec.ts'
export type * from './container-stream.ts'
export type * from './containers.ts'
export type * from './effective-profile.ts'
export type * from './events.ts'
export type * from './images.ts'
export type * from './volumes.ts'

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

/** What an engine is and can do. */
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
