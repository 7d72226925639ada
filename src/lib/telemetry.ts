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
  /** One operation of the engine, "containers.create"; `outcome` is "ok" or an error code. */
  engineCall(operation: string, outcome: string, ms: number): void
  /** The image of a runtime was built, or was not. */
  imageBuild(runtime: string, outcome: string, ms: number): void
  /** An HTTP response has ended; `route` is the pattern that matched, "/files/*path". */
  httpRequest(method: string, route: string, status: number, ms: number): void
  /** Bytes of files that passed between clients and sandboxes beside the protocol; "in": to a sandbox. */
  bytesTransferred(direction: 'in' | 'out', bytes: number): void
}

/** The queue was full · the call's time in the queue ran out. */
export type CallRefusal = 'queue_full' | 'queue_timeout'

/** It was not used for the idle timeout · its place was needed · the server ended. */
export type EvictionReason = 'idle' | 'room' | 'exit'

/** Counts nothing. */
export const noTelemetry: Telemetry = {
  toolCall() {},
  callWaited() {},
  callRefused() {},
  sandboxStart() {},
  sandboxEvicted() {},
  engineCall() {},
  imageBuild() {},
  httpRequest() {},
  bytesTransferred() {},
}
