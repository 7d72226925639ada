import type { ContainerSpec } from '../engine/engine.ts'
import { abortable } from '../lib/abort.ts'
import type { ReadyRuntime } from '../runtimes/ready-runtime.ts'
import type { SandboxLink } from '../sandbox/link.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import { afterEviction } from './after-eviction.ts'
import { Inquiry } from './inquiry.ts'
import type { Notice, Rung } from './ladder.ts'
import { evict, freeze, type Standing, type StepDeps, thaw } from './ladder-steps.ts'
import type { AttachedFacts } from './modes/attach.ts'
import { Notices } from './notices.ts'
import type { PlacedSandbox, PlacementOptions } from './placement.ts'
import type { Outdated } from './reconcile/drift.ts'
import { Cuts } from './recovery/cuts.ts'
import { SharedStart, shuttingDown } from './shared-start.ts'

export interface UserSandboxDeps extends StepDeps {
  readonly place: (options: PlacementOptions) => Promise<PlacedSandbox>
  /** False for a container of the operator's: it is never frozen, thawed or removed. */
  readonly isOurs?: boolean
  /** Told when its place may have become free, or be had by an eviction: it is no longer in use, or gone. */
  readonly onLessUse?: () => void
  /** Told after each thaw, with the milliseconds that its waiters waited. */
  readonly onThaw?: (ms: number) => void
}

/** What a call needs to know of a sandbox that answers. */
export interface ReadySandbox {
  /** What the caller must be told. */
  readonly notice: Notice | undefined
  readonly runtime: ReadyRuntime
  /** Of a container of the operator's. */
  readonly attached: AttachedFacts | undefined
}

/** What is done to a sandbox that nothing may be started in meanwhile. */
interface Change {
  /** Its container goes, or may go. */
  readonly takesDown: boolean
  /** Never rejects: how it ends is its caller's matter. */
  readonly done: Promise<unknown>
}

/**
 * One user's sandbox as this server sees it: its connection, its leases, and the one start or step down the ladder that may be under way.
 * It is the link that commands and files go through.
 */
export class UserSandbox implements SandboxLink {
  readonly #deps: UserSandboxDeps
  #there: Standing | undefined
  readonly #notices = new Notices()
  readonly #start: SharedStart<PlacedSandbox>
  #changing: Change | undefined
  readonly #inquiry: Inquiry
  #leases = 0
  #lastReleaseMs = performance.now()
  readonly #cuts = new Cuts()

  constructor(deps: UserSandboxDeps) {
    this.#deps = deps
    this.#inquiry = new Inquiry(deps.engine)
    this.#start = new SharedStart(
      (onProgress) => this.#place(onProgress),
      () => {
        if (this.#leases === 0 || !this.isConnected) deps.onLessUse?.()
      },
    )
  }

  /** Calls and streams that use it now. */
  get leases(): number {
    return this.#leases
  }

  /** Milliseconds since this server's last lease ended; 0 while there is one. */
  get idleMs(): number {
    return this.#leases > 0 ? 0 : performance.now() - this.#lastReleaseMs
  }

  get isStarting(): boolean {
    return this.#start.underWay !== undefined
  }

  /** True while this server holds a connection to it. */
  get isConnected(): boolean {
    return this.#there?.placed.client.connection.isOpen === true
  }

  /** True when a lease taken now, in this turn, starts nothing: it is connected and not about to sleep. */
  get isUsable(): boolean {
    return this.#usable() !== undefined
  }

  /** The way to its supervisor, where that starts nothing: for those who look and do not use. */
  get present(): SupervisorClient | undefined {
    return this.#usable()?.client
  }

  /** Id of the container that this server is connected to. */
  get containerId(): string | undefined {
    return this.isConnected ? this.#there?.placed.containerId : undefined
  }

  /** What its container should be, by this server's settings. */
  get wanted(): ContainerSpec | undefined {
    return this.#there?.placed.wanted
  }

  /** Why it is to be made anew when nobody uses it. */
  get outdated(): readonly Outdated[] {
    return this.#there?.placed.outdated ?? []
  }

  /** True while it is being put to sleep or changed as a whole. */
  get isChanging(): boolean {
    return this.#changing !== undefined
  }

  /** True while it has one of this server's places for running sandboxes, and is not about to give it up. */
  get keepsPlace(): boolean {
    return this.takesPlace && this.#changing?.takesDown !== true
  }

  /** True while it has one of this server's places for running sandboxes: its lease counts before it starts, and what is being removed until it is gone. */
  get takesPlace(): boolean {
    return this.#leases > 0 || this.isStarting || this.isConnected
  }

  /** Where it stands, as far as this server knows: one that it is not connected to may be anything. */
  get rung(): Rung | undefined {
    if (this.isStarting) return 'starting'
    if (!this.isConnected) return undefined
    return this.#there?.isFrozen ? 'frozen' : 'ready'
  }

  addLease(): void {
    this.#leases++
  }

  releaseLease(): void {
    this.#leases--
    this.#lastReleaseMs = performance.now()
    if (this.#leases === 0) this.#deps.onLessUse?.()
  }

  /** Resolves when the supervisor answers, with what the caller must be told, and the runtime that runs. */
  async ready(options: PlacementOptions): Promise<ReadySandbox> {
    const before = this.#notices.told
    const placed = this.#usable() ?? (await this.#start.wait(options))
    const { runtime, attached } = placed
    return { notice: this.#notices.tell(before, placed), runtime, attached }
  }

  async client(signal?: AbortSignal): Promise<SupervisorClient> {
    const placed = this.#usable() ?? (await abortable(this.#start.join(), signal))
    return placed.client
  }

  afterEviction(signal?: AbortSignal): Promise<SupervisorClient> {
    return afterEviction((either) => this.client(either), signal)
  }

  /** Pauses it if nobody uses it: see {@link freeze}. A call that comes meanwhile waits, and thaws it. */
  freeze(minIdleMs: number): Promise<boolean> {
    const there = this.#idle()
    return there && !there.isFrozen ? this.#change(false, freeze(this.#deps, there, minIdleMs)) : Promise.resolve(false)
  }

  /** Puts it to sleep if nobody uses it: see {@link evict}. A call that comes meanwhile waits, and wakes it. */
  evict(minIdleMs: number): Promise<boolean> {
    const there = this.#idle()
    return there ? this.#change(true, this.#evict(there, minIdleMs)) : Promise.resolve(false)
  }

  /**
   * Looks whether somebody else, another server or the operator, has frozen or thawed it. One that this server's calls wait for is thawed at
   * once. Rejects when the engine does not answer.
   */
  async look(): Promise<void> {
    const there = this.#there
    if (!there || this.isStarting || this.#changing) return
    const found = await this.#inquiry.ask(there.placed.containerId)
    if (this.#there !== there || this.isStarting || this.#changing || this.#deps.isOurs === false) return
    there.isFrozen = found?.state === 'paused'
    if (there.isFrozen && this.#leases > 0) await this.#start.join()
  }

  /**
   * Lets go of the sandbox, runs `change` on what is left of it, and starts nothing meanwhile. Calls under way lose their connection;
   * they are told, or go on in the sandbox that comes after.
   */
  async whileDown(change: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    while (this.isStarting || this.#changing) await abortable(this.#settled(), signal)
    signal?.throwIfAborted()
    if (this.#start.isClosed) throw shuttingDown()
    this.#letGo('the sandbox is changed')
    await this.#change(true, change())
  }

  /** Lets go for good, and runs `change` on what is left: nothing is started any more, and what was being started is there by then. */
  async retire(change: () => Promise<void>): Promise<void> {
    this.#start.close()
    while (this.isStarting || this.#changing) await this.#settled()
    this.close()
    await change()
  }

  /** Thaws it if this server has frozen it and lets go: without a server, what is frozen could not end by itself. */
  async thawToLeave(): Promise<void> {
    await this.#changing?.done
    if (this.#there?.isFrozen) await this.#deps.engine.containers.unpause(this.#there.placed.containerId)
  }

  /** Lets go for good: the connection ends, the sandbox and what runs in it go on, and nothing is started any more. */
  close(): void {
    this.#start.close()
    this.#letGo('the server lets go')
  }

  #letGo(why: string): void {
    this.#there?.placed.client.connection.close(why)
    this.#there = undefined
  }

  /** What is there, if this server does nothing with it. */
  #idle(): Standing | undefined {
    if (this.#leases > 0 || this.isStarting || this.#changing || this.#deps.isOurs === false) return undefined
    return this.isConnected ? this.#there : undefined
  }

  /** Nothing is started until `work` has ended. Resolves and rejects as it does. */
  #change<T>(takesDown: boolean, work: Promise<T>): Promise<T> {
    const changed = work.finally(() => {
      this.#changing = undefined
      this.#deps.onLessUse?.()
    })
    this.#changing = { takesDown, done: Promise.allSettled([changed]) }
    return changed
  }

  /** Resolves when the start or the change under way has ended. */
  async #settled(): Promise<void> {
    await Promise.allSettled([this.#start.underWay, this.#changing?.done])
  }

  async #evict(there: Standing, minIdleMs: number): Promise<boolean> {
    const isGone = await evict(this.#deps, there, minIdleMs)
    if (isGone) this.#there = undefined
    return isGone
  }

  /** What is there now, unless it is about to go. */
  #usable(): PlacedSandbox | undefined {
    const there = this.#there
    return there?.placed.client.connection.isOpen && !this.#changing && !there.isFrozen ? there.placed : undefined
  }

  async #place(onProgress: (text: string) => void): Promise<PlacedSandbox> {
    await this.#changing?.done
    // The eviction was refused, or it was only frozen.
    const there = this.isConnected ? this.#there : undefined
    if (there && (!there.isFrozen || (await this.#thaw(there)))) return there.placed
    await this.#inquiry.closed()
    const { unfit } = this.#cuts
    const placed = await this.#deps.place({ onProgress, unfit })
    if (this.#start.isClosed) {
      placed.client.connection.close('the server lets go')
      throw shuttingDown()
    }
    if (unfit !== undefined) this.#cuts.forget()
    placed.client.connection.onClose((error) => this.#cuts.note(placed.containerId, error))
    this.#there = { placed, isFrozen: false }
    if (placed.how === 'thawed') this.#notices.thawed()
    this.#lastReleaseMs = performance.now()
    this.#watch(placed)
    return placed
  }

  async #thaw(there: Standing): Promise<boolean> {
    const started = performance.now()
    const isThawed = await thaw(this.#deps, there)
    if (isThawed) {
      this.#notices.thawed()
      this.#deps.onThaw?.(performance.now() - started)
    }
    return isThawed
  }

  #watch({ client: { connection }, containerId }: PlacedSandbox): void {
    connection.onSilence(() => {
      if (this.#inquiry.isOpen) return
      this.look().catch((error: unknown) => {
        // The connection's own deadline tells those who wait.
        this.#deps.logger.warn({ container: containerId, err: error }, 'a silent sandbox could not be looked at')
      })
    })
    connection.onClose(() => this.#deps.onLessUse?.())
  }
}
