import { setTimeout as delay } from 'node:timers/promises'
import type { ContainerSpec, Engine } from '../engine/engine.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { ReadyRuntime } from '../runtimes/ready-runtime.ts'
import { abortable } from '../lib/abort.ts'
import type { Logger } from '../lib/logger.ts'
import type { SandboxLink } from '../sandbox/link.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import { ConnectionLost, WireError } from '../supervisor/errors.ts'
import { HOLD_MS, underHold } from './eviction-hold.ts'
import { noticeFrom, type Notice, type Rung } from './ladder.ts'
import type { Outdated } from './reconcile/drift.ts'
import { Cuts } from './recovery/cuts.ts'
import type { AttachedFacts } from './modes/attach.ts'
import type { PlacedSandbox, PlacementOptions } from './placement.ts'

export interface UserSandboxDeps {
  readonly engine: Engine
  readonly place: (options: PlacementOptions) => Promise<PlacedSandbox>
  readonly logger: Logger
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

/** How long a supervisor may take to say whether its sandbox may go, in milliseconds. */
const EVICTION_ANSWER_MS = 10_000
/** How long a caller waits for another server's eviction, in milliseconds: enough to remove a container on a busy engine. */
const EVICTION_WAIT_MS = 20_000
const HOLD_POLL_MS = 100
/** How long a caller waits for a start before it is told to come back, in milliseconds: below the 60 s of most MCP clients. */
const START_WAIT_MS = 45_000

/**
 * One user's sandbox as this server sees it: its connection, its leases, and the one start or step down the ladder that may be under way.
 * It is the link that commands and files go through.
 */
export class UserSandbox implements SandboxLink {
  readonly #deps: UserSandboxDeps
  #placed: PlacedSandbox | undefined
  /**
   * The boot that callers were last told of. With another one (a new container, or the same after a restart) the next of them is told
   * what became of the sandbox, also when it was made anew within a call.
   */
  #toldBoot: Buffer | undefined
  #starting: Promise<PlacedSandbox> | undefined
  #changing: Change | undefined
  /** Its container is paused, as far as this server knows; the connection outlives that. */
  #frozen = false
  /** How often it was thawed, and of how many of these callers were told. */
  #thaws = 0
  #toldThaws = 0
  #progressListeners = new Set<(text: string) => void>()
  #leases = 0
  #lastReleaseMs = performance.now()
  readonly #cuts = new Cuts()
  #closed = false

  constructor(deps: UserSandboxDeps) {
    this.#deps = deps
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
    return this.#starting !== undefined
  }

  /** True while this server holds a connection to it. */
  get isConnected(): boolean {
    return this.#placed?.client.connection.isOpen === true
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
    return this.isConnected ? this.#placed?.containerId : undefined
  }

  /** What its container should be, by this server's settings. */
  get wanted(): ContainerSpec | undefined {
    return this.#placed?.wanted
  }

  /** Why it is to be made anew when nobody uses it. */
  get outdated(): readonly Outdated[] {
    return this.#placed?.outdated ?? []
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
    return this.#frozen ? 'frozen' : 'ready'
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
    const before = this.#toldBoot
    const thawsBefore = this.#toldThaws
    const placed = this.#usable() ?? (await this.#startFor(options))
    this.#toldBoot = bootOf(placed)
    this.#toldThaws = this.#thaws
    const wasThawed = this.#thaws !== thawsBefore
    const { runtime, attached } = placed
    return { notice: noticeOf(before, placed, wasThawed), runtime, attached }
  }

  async client(signal?: AbortSignal): Promise<SupervisorClient> {
    const placed = this.#usable() ?? (await abortable(this.#start(), signal))
    return placed.client
  }

  async afterEviction(signal?: AbortSignal): Promise<SupervisorClient> {
    const deadline = performance.now() + EVICTION_WAIT_MS
    while (performance.now() < deadline) {
      try {
        const client = await this.client(signal)
        await client.stat('/', false, { signal })
        return client
      } catch (error) {
        const held = error instanceof WireError && error.code === 'quiescing'
        if (!held && !(error instanceof ConnectionLost)) throw error
      }
      await delay(HOLD_POLL_MS, undefined, signal ? { signal } : {})
    }
    throw new SandboxError('sandbox_starting', 'The sandbox is being put to sleep by another server.')
  }

  /**
   * Stops the sandbox's processes if nobody uses it: asks the supervisor, which knows of every server's use, for a hold, then pauses the
   * container. Resolves to whether it did. A call that comes meanwhile waits, and thaws it.
   */
  freeze(minIdleMs: number): Promise<boolean> {
    const placed = this.#idle()
    return placed && !this.#frozen ? this.#change(false, this.#freeze(placed, minIdleMs)) : Promise.resolve(false)
  }

  /**
   * Puts the sandbox to sleep if nobody uses it: asks the supervisor, which knows of every server's use, for a hold, then removes the
   * container. A frozen one is thawed first, and stays so when the hold is refused. Resolves to whether it did.
   */
  evict(minIdleMs: number): Promise<boolean> {
    const placed = this.#idle()
    return placed ? this.#change(true, this.#evict(placed, minIdleMs)) : Promise.resolve(false)
  }

  /**
   * Looks whether somebody else, another server or the operator, has frozen or thawed it. One that this server's calls wait for is thawed at
   * once. Rejects when the engine does not answer.
   */
  async look(): Promise<void> {
    const placed = this.#placed
    if (!placed || this.#starting || this.#changing || this.#deps.isOurs === false) return
    const found = await this.#deps.engine.containers.inspect(placed.containerId)
    if (this.#placed !== placed || this.#starting || this.#changing) return
    this.#frozen = found?.state === 'paused'
    if (this.#frozen && this.#leases > 0) await this.#start()
  }

  /**
   * Lets go of the sandbox, runs `change` on what is left of it, and starts nothing meanwhile. Calls under way lose their connection;
   * they are told, or go on in the sandbox that comes after.
   */
  async whileDown(change: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    while (this.#starting ?? this.#changing) await abortable(this.#settled(), signal)
    signal?.throwIfAborted()
    if (this.#closed) throw shuttingDown()
    this.#placed?.client.connection.close('the sandbox is changed')
    this.#placed = undefined
    await this.#change(true, change())
  }

  /** Lets go for good, and runs `change` on what is left: nothing is started any more, and what was being started is there by then. */
  async retire(change: () => Promise<void>): Promise<void> {
    this.#closed = true
    while (this.#starting ?? this.#changing) await this.#settled()
    this.close()
    await change()
  }

  /** Thaws it if this server has frozen it and lets go: without a server, what is frozen could not end by itself. */
  async thawToLeave(): Promise<void> {
    await this.#changing?.done
    if (this.#frozen && this.#placed) await this.#deps.engine.containers.unpause(this.#placed.containerId)
  }

  /** Lets go for good: the connection ends, the sandbox and what runs in it go on, and nothing is started any more. */
  close(): void {
    this.#closed = true
    this.#placed?.client.connection.close('the server lets go')
    this.#placed = undefined
  }

  /** What is there, if this server does nothing with it. */
  #idle(): PlacedSandbox | undefined {
    if (this.#leases > 0 || this.#starting || this.#changing || this.#deps.isOurs === false) return undefined
    return this.isConnected ? this.#placed : undefined
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
    await Promise.allSettled([this.#starting, this.#changing?.done])
  }

  async #freeze(placed: PlacedSandbox, minIdleMs: number): Promise<boolean> {
    const { engine, logger } = this.#deps
    try {
      const { ok } = await placed.client.quiesce(minIdleMs, HOLD_MS, { deadlineMs: EVICTION_ANSWER_MS })
      if (!ok) return false
      // Not renewed: what is asked of a frozen supervisor stays open. If pausing takes longer, calls in between are found by their silence.
      await engine.containers.pause(placed.containerId)
    } catch (error) {
      logger.warn({ container: placed.containerId, err: error }, 'freezing failed')
      return false
    }
    this.#frozen = true
    logger.info({ container: placed.containerId }, 'frozen; files and processes stay')
    return true
  }

  async #evict(placed: PlacedSandbox, minIdleMs: number): Promise<boolean> {
    const { engine, logger } = this.#deps
    try {
      if (this.#frozen) {
        await engine.containers.unpause(placed.containerId)
        this.#frozen = false
      }
      const remove = () => engine.containers.remove(placed.containerId)
      if (!(await underHold(placed.client, minIdleMs, EVICTION_ANSWER_MS, remove))) return false
    } catch (error) {
      logger.warn({ container: placed.containerId, err: error }, 'eviction failed')
      return false
    }
    placed.client.connection.close('evicted')
    this.#placed = undefined
    logger.info({ container: placed.containerId }, 'evicted; the files stay')
    return true
  }

  /** What is there now, unless it is about to go. */
  #usable(): PlacedSandbox | undefined {
    return this.isConnected && !this.#changing && !this.#frozen ? this.#placed : undefined
  }

  async #startFor({ signal, onProgress }: PlacementOptions): Promise<PlacedSandbox> {
    if (onProgress) this.#progressListeners.add(onProgress)
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<never>((_, reject) => {
      const error = new SandboxError(
        'sandbox_starting',
        'The sandbox is still starting; its image may be in the making.',
      )
      timer = setTimeout(() => reject(error), START_WAIT_MS)
    })
    try {
      return await abortable(Promise.race([this.#start(), tooLong]), signal)
    } finally {
      clearTimeout(timer)
      if (onProgress) this.#progressListeners.delete(onProgress)
    }
  }

  /** The start under way, or a new one. It goes on when a waiter gives up, so that the next call finds it done. */
  #start(): Promise<PlacedSandbox> {
    if (this.#closed) return Promise.reject(shuttingDown())
    if (!this.#starting) {
      this.#starting = this.#place().finally(() => {
        this.#starting = undefined
        if (this.#leases === 0 || !this.isConnected) this.#deps.onLessUse?.()
      })
    }
    return this.#starting
  }

  async #place(): Promise<PlacedSandbox> {
    await this.#changing?.done
    // The eviction was refused, or it was only frozen.
    const there = this.isConnected ? this.#placed : undefined
    if (there && (!this.#frozen || (await this.#thaw(there)))) return there
    const onProgress = (text: string) => this.#progressListeners.forEach((listener) => listener(text))
    const placed = await this.#deps.place({ onProgress, isUnfit: this.#cuts.areMany })
    if (this.#closed) {
      placed.client.connection.close('the server lets go')
      throw shuttingDown()
    }
    if (this.#cuts.areMany) this.#cuts.forget()
    placed.client.connection.onClose((error) => this.#cuts.note(error))
    this.#placed = placed
    this.#frozen = false
    if (placed.how === 'thawed') this.#thaws++
    this.#lastReleaseMs = performance.now()
    this.#watch(placed)
    return placed
  }

  /** False when it is not there any more, or does not run: its place has to be found anew. */
  async #thaw(placed: PlacedSandbox): Promise<boolean> {
    const { engine, logger, onThaw } = this.#deps
    const started = performance.now()
    try {
      await engine.containers.unpause(placed.containerId)
      this.#frozen = false
      // This server's own hold, if it has not run out.
      await placed.client.quiesce(0, 0)
    } catch (error) {
      const isGone = isSandboxError(error, 'not_found') || isSandboxError(error, 'engine_failed')
      if (!isGone && !(error instanceof ConnectionLost)) throw error
      logger.warn({ container: placed.containerId, err: error }, 'the frozen sandbox is gone')
      placed.client.connection.close('gone')
      return false
    }
    this.#thaws++
    onThaw?.(performance.now() - started)
    return true
  }

  #watch({ client: { connection }, containerId }: PlacedSandbox): void {
    connection.onSilence(() => {
      this.look().catch((error: unknown) => {
        // The connection's own deadline tells those who wait.
        this.#deps.logger.warn({ container: containerId, err: error }, 'a silent sandbox could not be looked at')
      })
    })
    connection.onClose(() => this.#deps.onLessUse?.())
  }
}

function bootOf({ client }: PlacedSandbox): Buffer {
  return client.connection.hello.bootId
}

function noticeOf(before: Buffer | undefined, placed: PlacedSandbox, wasThawed: boolean): Notice | undefined {
  if (before && bootOf(placed).equals(before)) return wasThawed ? noticeFrom('frozen') : undefined
  const { how } = placed
  // Made, and perhaps frozen, by somebody else since.
  if (how === 'found' || (how === 'thawed' && before)) return before && 'recreated'
  return noticeFrom(RUNG_BEFORE[how])
}

/** Where the sandbox stood before it was placed. */
const RUNG_BEFORE = { created: 'absent', thawed: 'frozen', resumed: 'evicted' } as const

function shuttingDown(): SandboxError {
  return new SandboxError('cancelled', 'The server is shutting down.')
}
