/**
 * What the server counts and measures, told by those who do it, at the moment when it is done. Times are in milliseconds. Every text
 * becomes a label of a metric, so it must come from a closed list (names of tools and runtimes, error codes, route patterns): never a
 * user's name, a path or anything else that a client can make up. No method throws or waits.
 */
export interface Telemetry {
  /** A call of a tool has ended; `outcome` is "ok" or an error code. A command that failed is "ok": its outcome is data. */
  toolCall(tool: string, outcome: string, ms: number): void
  /** A call that had to wait got its place. */
  callWaited(ms: number): void
  /** A call got no place. */
  callRefused(reason: CallRefusal): void
  /** A sandbox was brought to life, or was not; `outcome` is how, or an error code. The time includes the build of an image. */
  sandboxStart(outcome: string, ms: number): void
  sandboxEvicted(reason: EvictionReason): void
  sandboxFrozen(): void
  /** A sleeping sandbox's files were archived ("ok"), or were not: "undone", because the user came back, or an error code. */
  sandboxArchived(outcome: string, ms: number): void
  /** A user who had to wait for a place for their sandbox got one. */
  roomWaited(ms: number): void
  /** Somebody walked through a workspace to see how much it holds. */
  workspaceMeasured(outcome: 'within' | 'over', ms: number): void
  /** A write was refused for lack of room: beyond the workspace's own limit · too little is left on the engine's disk. */
  roomRefused(reason: 'workspace' | 'engine_disk'): void
  /** So many commands were ended because their workspace went on growing beyond its limit. */
  overrunEnded(commands: number): void
  /** One operation of the engine, "containers.create"; `outcome` is "ok" or an error code. */
  engineCall(operation: string, outcome: string, ms: number): void
  /** The image of a runtime was built, or was not. */
  imageBuild(runtime: string, outcome: string, ms: number): void
  /** An HTTP response has ended; `route` is the pattern that matched, "/files/*path". */
  httpRequest(method: string, route: string, status: number, ms: number): void
  /** Bytes of files that passed between clients and sandboxes beside the protocol; "in": to a sandbox. */
  bytesTransferred(direction: 'in' | 'out', bytes: number): void
}

/** The queue was full · the call's time in the queue ran out · no sandbox made room in time · no more users may have a sandbox. */
export type CallRefusal = 'queue_full' | 'queue_timeout' | 'no_room' | 'too_many_users'

/** It was not used for the idle timeout · its place was needed · the machine ran short of memory · the server ended. */
export type EvictionReason = 'idle' | 'room' | 'memory' | 'exit'

/** Counts nothing. */
export const noTelemetry: Telemetry = {
  toolCall() {},
  callWaited() {},
  callRefused() {},
  sandboxStart() {},
  sandboxEvicted() {},
  sandboxFrozen() {},
  sandboxArchived() {},
  roomWaited() {},
  workspaceMeasured() {},
  roomRefused() {},
  overrunEnded() {},
  engineCall() {},
  imageBuild() {},
  httpRequest() {},
  bytesTransferred() {},
}
