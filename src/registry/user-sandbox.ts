import { setTimeout as delay } from 'node:timers/promises'
import type { Engine } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { ReadyRuntime } from '../runtimes/ready-runtime.ts'
import { abortable } from '../lib/abort.ts'
import type { Logger } from '../lib/logger.ts'
import type { SandboxLink } from '../sandbox/link.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import { ConnectionLost, WireError } from '../supervisor/errors.ts'
import { underHold } from './eviction-hold.ts'
import type { PlacedSandbox, PlacementOptions } from './placement.ts'

/** What became of the sandbox since the user's last call; undefined when it was simply reused. */
export type Notice = 'created' | 'resumed' | 'recreated'

export interface UserSandboxDeps {
  readonly engine: Engine
  readonly place: (options: PlacementOptions) => Promise<PlacedSandbox>
  readonly logger: Logger
}

/** How long a supervisor may take to say whether its sandbox may go, in milliseconds. */
const EVICTION_ANSWER_MS = 10_000
/** How long a caller waits for another server's eviction, in milliseconds: enough to remove a container on a busy engine. */
const EVICTION_WAIT_MS = 20_000
const HOLD_POLL_MS = 100
/** How long a caller waits for a start before it is told to come back, in milliseconds: below the 60 s of most MCP clients. */
const START_WAIT_MS = 45_000

/**
 * One user's sandbox as this server sees it: its connection, its leases, and the one start or eviction that may be under way. It is
 * the link that commands and files go through.
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
  #evicting: Promise<boolean> | undefined
  #progressListeners = new Set<(text: string) => void>()
  #leases = 0
  #lastReleaseMs = performance.now()
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

  /** True while it is being put to sleep or changed as a whole. */
  get isChanging(): boolean {
    return this.#evicting !== undefined
  }

  addLease(): void {
    this.#leases++
  }

  releaseLease(): void {
    this.#leases--
    this.#lastReleaseMs = performance.now()
  }

  /** Resolves when the supervisor answers, with what the caller must be told, and the runtime that runs. */
  async ready(options: PlacementOptions): Promise<{ notice: Notice | undefined; runtime: ReadyRuntime }> {
    const before = this.#toldBoot
    const placed = this.#usable() ?? (await this.#startFor(options))
    this.#toldBoot = bootOf(placed)
    return { notice: noticeOf(before, placed), runtime: placed.runtime }
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
   * Puts the sandbox to sleep if nobody uses it: asks the supervisor, which knows of every server's use, for a hold, then removes the
   * container. Resolves to whether it did.
   */
  evict(minIdleMs: number): Promise<boolean> {
    if (this.#leases > 0 || this.#starting || this.#evicting) return Promise.resolve(false)
    const placed = this.#placed
    if (!placed?.client.connection.isOpen) return Promise.resolve(false)
    this.#evicting = this.#evict(placed, minIdleMs).finally(() => (this.#evicting = undefined))
    return this.#evicting
  }

  /**
   * Lets go of the sandbox, runs `change` on what is left of it, and starts nothing meanwhile. Calls under way lose their connection;
   * they are told, or go on in the sandbox that comes after.
   */
  async whileDown(change: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    while (this.#starting ?? this.#evicting) {
      // How the other one ends is its caller's matter.
      await abortable(Promise.allSettled([this.#starting, this.#evicting]), signal)
    }
    signal?.throwIfAborted()
    if (this.#closed) throw shuttingDown()
    this.#placed?.client.connection.close('the sandbox is changed')
    this.#placed = undefined
    const changed = change()
    this.#evicting = changed
      .then(
        () => true,
        () => false,
      )
      .finally(() => (this.#evicting = undefined))
    await changed
  }

  /** Lets go for good, and runs `change` on what is left: nothing is started any more, and what was being started is there by then. */
  async retire(change: () => Promise<void>): Promise<void> {
    this.#closed = true
    while (this.#starting ?? this.#evicting) await Promise.allSettled([this.#starting, this.#evicting])
    this.close()
    await change()
  }

  /** Lets go for good: the connection ends, the sandbox and what runs in it go on, and nothing is started any more. */
  close(): void {
    this.#closed = true
    this.#placed?.client.connection.close('the server lets go')
    this.#placed = undefined
  }

  async #evict(placed: PlacedSandbox, minIdleMs: number): Promise<boolean> {
    const { engine, logger } = this.#deps
    try {
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
    return this.isConnected && !this.#evicting ? this.#placed : undefined
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
      this.#starting = this.#place().finally(() => (this.#starting = undefined))
    }
    return this.#starting
  }

  async #place(): Promise<PlacedSandbox> {
    await this.#evicting
    // The eviction was refused.
    if (this.#placed?.client.connection.isOpen) return this.#placed
    const onProgress = (text: string) => this.#progressListeners.forEach((listener) => listener(text))
    const placed = await this.#deps.place({ onProgress })
    if (this.#closed) {
      placed.client.connection.close('the server lets go')
      throw shuttingDown()
    }
    this.#placed = placed
    this.#lastReleaseMs = performance.now()
    return placed
  }
}

function bootOf({ client }: PlacedSandbox): Buffer {
  return client.connection.hello.bootId
}

function noticeOf(before: Buffer | undefined, placed: PlacedSandbox): Notice | undefined {
  if (before && bootOf(placed).equals(before)) return undefined
  if (placed.how === 'found') return before && 'recreated'
  return placed.how
}

function shuttingDown(): SandboxError {
  return new SandboxError('cancelled', 'The server is shutting down.')
}
