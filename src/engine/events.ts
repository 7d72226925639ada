import type { Labels } from './call.ts'

/** What an engine tells as it happens. */
export type EngineEvent = ContainerEvent | ReconnectedEvent

/** The engine is there again after a cut. */
export interface ReconnectedEvent {
  readonly type: 'reconnected'
  readonly timeMs: number
}

/** Something happened to a container, whoever did it. */
export interface ContainerEvent {
  /** `oom`: the kernel ended a process of it for want of memory · `update`: its limits were changed. */
  readonly type: 'start' | 'die' | 'oom' | 'destroy' | 'pause' | 'unpause' | 'update'
  readonly containerId: string
  readonly labels: Labels
  readonly timeMs: number
}
