import type { CallOptions, ContainerEvent, ContainerSpec, ContainerState, EngineInfo } from '../../src/engine/engine.ts'
import type { EffectiveProfile, Labels, ProgramFile, StreamSpec } from '../../src/engine/engine.ts'
import type { ProgramEnd } from './memory-stream.ts'

/** A container as a stream handler sees it. */
export interface FakeContainer {
  readonly id: string
  spec: ContainerSpec
  readonly imageId: string
  state: ContainerState
  startedAtMs: number
  exitCode: number | undefined
  oomKilled: boolean
  /** Counts the starts: what lives in memory inside must not survive a restart. */
  incarnation: number
  readonly streams: Set<ProgramEnd>
  /** What was put into it, by directory. */
  readonly programs: Map<string, ProgramFile>
  /** Made by somebody else, with a root that can be written. */
  isForeign: boolean
}

export interface FakeEngineOptions {
  /** Plays the program that a stream is opened to. Without it, every program fails to start. */
  readonly onStream?: (container: FakeContainer, spec: StreamSpec, program: ProgramEnd) => void
  /** Images that are there from the beginning, by reference. */
  readonly images?: readonly string[]
  /** References that a pull finds. */
  readonly registry?: readonly string[]
  /** Exit code of a step of a Dockerfile. 0 when not given. */
  readonly onBuildStep?: (instruction: string) => number
  /** Changes what the engine says is in force, as an engine does that drops a protection. */
  readonly weaken?: (effective: EffectiveProfile) => EffectiveProfile
  readonly info?: Partial<EngineInfo>
}

/** An image, kept under each of its references. */
export interface FakeImage {
  readonly id: string
  readonly labels: Labels
  readonly env: readonly string[]
  /** Of the last tag, in Unix milliseconds. */
  taggedAtMs: number | undefined
}

/** What the parts of the fake share. */
export interface FakeWorld {
  readonly options: FakeEngineOptions
  readonly containers: Map<string, FakeContainer>
  readonly volumes: Map<string, Labels>
  readonly images: Map<string, FakeImage>
  emit(type: ContainerEvent['type'], container: FakeContainer): void
  /** Runs a method's body, unless it was made to fail, in a later turn of the event loop. */
  call<T>(method: string, options: CallOptions | undefined, body: () => T | Promise<T>): Promise<T>
}

/** True when `labels` has all of `wanted`. */
export function hasLabels(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value)
}
