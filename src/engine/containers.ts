import type { CallOptions, Labels } from './call.ts'
import type { ChangeableLimits, ContainerSpec } from './container-spec.ts'
import type { ContainerStream, StreamSpec } from './container-stream.ts'
import type { EffectiveProfile } from './effective-profile.ts'

/** What a container is doing, in the few words that every engine has. */
export type ContainerState = 'created' | 'running' | 'paused' | 'exited'

/** What a list tells of each container. */
export interface ContainerSummary {
  readonly id: string
  readonly name: string
  readonly state: ContainerState
  readonly labels: Labels
  readonly image: string
}

/** What looking at one container tells of it. */
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

/** The containers of an engine. */
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

/** A program to be put into a container, and where. */
export interface ProgramFile {
  /** Name of the directory, without a slash. */
  readonly directory: string
  /** Name of the file, without a slash. */
  readonly name: string
  readonly content: Uint8Array
}
