import type { Engine } from '../../engine/engine.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Logger } from '../../lib/logger.ts'
import type { SandboxLink } from '../../sandbox/link.ts'
import type { SupervisorClient } from '../../supervisor/client.ts'
import { ConnectionLost } from '../../supervisor/errors.ts'
import { connect } from '../connect.ts'
import type { PlacementOptions } from '../placement.ts'
import type { PlacedCall } from './place-call.ts'

export interface EphemeralDeps {
  readonly engine: Engine
  readonly logger: Logger
  /** Makes a container for one call. */
  readonly make: (options: PlacementOptions) => Promise<PlacedCall>
  /** True while the server is ready to hold one more container than the calls need. */
  readonly mayKeepOne: () => boolean
  /** What is kept ready and not used goes after so long, in milliseconds. */
  readonly standbyMs: number
}

/**
 * The containers of a user in mode ephemeral. Each call has one of its own, which nothing has run in before and nothing after. When a call has ended one
 * is made for the next, so that a user at work does not wait for each start; used once, as any other.
 */
export class EphemeralCalls {
  readonly #deps: EphemeralDeps
  readonly #running = new Set<EphemeralCall>()
  readonly #ending = new Set<Promise<void>>()
  #standby: Promise<PlacedCall> | undefined
  #standbyTimer: NodeJS.Timeout | undefined
  #closed = false

  constructor(deps: EphemeralDeps) {
    this.#deps = deps
  }

  /** True while a container is made, or ready, that no call has. */
  get hasStandby(): boolean {
    return this.#standby !== undefined
  }

  /** The way to a container of a call that runs now. */
  get present(): SupervisorClient | undefined {
    for (const call of this.#running) if (call.placed.client.connection.isOpen) return call.placed.client
    return undefined
  }

  /** A container for a call: the one that is ready, or a new one. */
  async take(options: PlacementOptions): Promise<EphemeralCall> {
    const standby = this.#claimStandby()
    const placed = (await this.#usable(standby)) ?? (await this.#deps.make(options))
    const call = new EphemeralCall(this.#deps.engine, placed)
    this.#running.add(call)
    if (!this.#closed) return call
    await this.end(call)
    throw new SandboxError('cancelled', 'The server is shutting down.')
  }

  /** The call is over: its container goes, and one is made ready for the next. Resolves when the container is gone. Never rejects. */
  end(call: EphemeralCall): Promise<void> {
    this.#running.delete(call)
    this.#keepOne()
    return this.#remove(call)
  }

  /** Removes what is kept ready; resolves to whether there was something. */
  async dropStandby(): Promise<boolean> {
    const standby = this.#claimStandby()
    if (!standby) return false
    const placed = await standby.catch(() => undefined)
    if (placed) await this.#remove(new EphemeralCall(this.#deps.engine, placed))
    return true
  }

  /** Ends what runs and what is ready, and makes nothing any more. */
  async close(): Promise<void> {
    this.#closed = true
    await this.dropStandby()
    await Promise.all([...this.#running].map((call) => this.end(call)))
    await Promise.all(this.#ending)
  }

  #claimStandby(): Promise<PlacedCall> | undefined {
    const standby = this.#standby
    this.#standby = undefined
    clearTimeout(this.#standbyTimer)
    return standby
  }

  /** Undefined when there is none, or it could not be made, or is gone. */
  async #usable(standby: Promise<PlacedCall> | undefined): Promise<PlacedCall | undefined> {
    const placed = await standby?.catch(() => undefined)
    if (!placed || placed.client.connection.isOpen) return placed
    await this.#remove(new EphemeralCall(this.#deps.engine, placed))
    return undefined
  }

  #keepOne(): void {
    const { logger, make, mayKeepOne, standbyMs } = this.#deps
    if (this.#closed || this.#standby || standbyMs === 0 || !mayKeepOne()) return
    const standby = make({})
    this.#standby = standby
    this.#standbyTimer = setTimeout(() => void this.dropStandby(), standbyMs).unref()
    standby.catch((error: unknown) => {
      // The next call tries, and tells.
      if (this.#standby === standby) void this.#claimStandby()
      logger.warn({ err: error }, 'no container could be made ready for the next call')
    })
  }

  async #remove(call: EphemeralCall): Promise<void> {
    const { logger } = this.#deps
    const removed = call.remove().catch((error: unknown) => {
      // It ends by itself when this server lets go of it, and a sweep removes what has ended.
      logger.warn({ container: call.containerId, err: error }, 'the container of a call could not be removed')
    })
    this.#ending.add(removed)
    await removed
    this.#ending.delete(removed)
  }
}

/** The way to the container of one call. */
export class EphemeralCall implements SandboxLink {
  readonly #engine: Engine
  readonly #placed: PlacedCall
  #client: SupervisorClient
  #isOver = false

  constructor(engine: Engine, placed: PlacedCall) {
    this.#engine = engine
    this.#placed = placed
    this.#client = placed.client
  }

  get containerId(): string {
    return this.#placed.containerId
  }

  get placed(): PlacedCall {
    return this.#placed
  }

  /** Opens the stream again when it was cut. There is never another container: what ran in this one has no other place. */
  async client(signal?: AbortSignal): Promise<SupervisorClient> {
    if (this.#isOver) throw gone()
    if (this.#client.connection.isOpen) return this.#client
    try {
      this.#client = await connect(this.#engine, this.containerId, { signal })
      return this.#client
    } catch (error) {
      if (error instanceof ConnectionLost) throw gone(error)
      throw error
    }
  }

  /** Nobody puts it to sleep. */
  afterEviction(signal?: AbortSignal): Promise<SupervisorClient> {
    return this.client(signal)
  }

  async remove(): Promise<void> {
    this.#isOver = true
    this.#client.connection.close('the call is over')
    await this.#engine.containers.remove(this.containerId)
  }
}

function gone(cause?: Error): SandboxError {
  return new SandboxError('sandbox_stopped', 'The sandbox of this call has ended.', cause ? { cause } : {})
}
