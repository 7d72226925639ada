import type { SandboxControl } from '../sandbox/control.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { CallPlace } from './admission.ts'
import type { Notice } from './ladder.ts'

/**
 * In what state a sandbox came back, when it was not simply in use already: `created` new · `thawed` as it was, files and processes ·
 * `resumed` woken with its files, its processes lost · `recreated` a new container on the kept workspace, after the old one was gone.
 */
export type LeaseNotice = Notice

/** Permission to use a user's running sandbox. While it is held, the sandbox is not evicted. */
export interface SandboxLease {
  readonly sandbox: Sandbox
  readonly notice: LeaseNotice | undefined
  /** Gives the lease back; a second call does nothing. Never throws. */
  release(): void
}

export interface AcquireOptions {
  /** Ends the waiting; a start that others wait for too goes on. */
  readonly signal?: AbortSignal | undefined
  /** Called with a short text for each step of a start that takes time. */
  readonly onProgress?: ((text: string) => void) | undefined
  /** That of the call, which is lent to others while it waits for another sandbox to make room. */
  readonly place?: CallPlace
}

export interface ExistingOptions extends AcquireOptions {
  /** Also a sandbox that sleeps; else only one that runs. */
  readonly wake: boolean
}

/** Whoever hands out leases. */
export interface SandboxProvider {
  /**
   * A lease on the user's sandbox, which is started, woken or adopted first. Rejects with SandboxError (`engine_unreachable`,
   * `image_unavailable`, `sandbox_limit`, …), or with the signal's reason.
   */
  acquire(user: string, options: AcquireOptions): Promise<SandboxLease>
  /** As acquire, but makes no sandbox for a user who has none: undefined then. */
  acquireExisting(user: string, options: ExistingOptions): Promise<SandboxLease | undefined>
  /** What the user may do with the whole of their sandbox; starts nothing by itself. */
  control(user: string): SandboxControl
}
