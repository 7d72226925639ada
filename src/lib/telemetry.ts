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
  /** A sandbox that this server held came to an end, or to a halt, that this server did not ask for. */
  sandboxDisturbed(cause: Disturbance): void
  /** A container differs from what this server would make, and what was done about it. */
  sandboxDrift(drift: DriftKind, remedy: DriftRemedy): void
  /** One step was taken to bring a sandbox that does not answer back; `ok`: it answers again. */
  recoveryStep(step: RecoveryStep, outcome: 'ok' | 'failed', ms: number): void
  /** A look at the engine found something that no server needs or holds, and dealt with it. */
  reconciled(found: Reconciled): void
  /** A new user got a sandbox of the pool ("hit"), or why there was none. */
  poolClaim(outcome: PoolOutcome): void
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

/**
 * It was not used for the idle timeout · its place was needed · the machine ran short of memory · the server ended · it is to be made anew with
 * other settings.
 */
export type EvictionReason = 'idle' | 'room' | 'memory' | 'exit' | 'drift'

/** It ended · ended after it ran out of memory · was frozen. */
export type Disturbance = 'die' | 'oom' | 'pause'

/** A protection is missing · limits, image or other settings are not today's. */
export type DriftKind = 'protections' | 'limits' | 'image' | 'settings' | 'memory'

/** Changed in place · made anew at once · to be made anew when nobody uses it. */
export type DriftRemedy = 'updated' | 'recreated' | 'deferred'

/** From the mildest to the last: see registry/recovery/ladder.ts. `give_up`: also a new container does not answer. */
export type RecoveryStep = 'end_commands' | 'kill_all' | 'kill' | 'restart' | 'recreate' | 'give_up'

/** A container that has ended · was never started · helped a server that is gone · a sandbox that nobody held and nobody uses. */
export type Reconciled = 'ended' | 'half_made' | 'helper' | 'unheld'

/**
 * none was ready · none of those ready was as the user's has to be · those ready had died · another server made the user's sandbox in the
 * same moment.
 */
export type PoolOutcome = 'hit' | 'empty' | 'mismatch' | 'lost' | 'raced'

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
  sandboxDisturbed() {},
  sandboxDrift() {},
  recoveryStep() {},
  reconciled() {},
  poolClaim() {},
  engineCall() {},
  imageBuild() {},
  httpRequest() {},
  bytesTransferred() {},
}
