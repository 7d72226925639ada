import pLimit from 'p-limit'
import { codeOf } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { noTelemetry, type Telemetry } from '../lib/telemetry.ts'
import type { ArchiveSweep } from './archive-sweep.ts'
import { Census } from './census.ts'
import type { Entry } from './entries.ts'
import type { SandboxIdentity } from './identity.ts'
import type { AcquireOptions } from './lease.ts'
import { attach } from './modes/attach.ts'
import { boundDirectoryOf, type HostFacts } from './modes/bind-scene.ts'
import { EphemeralCalls } from './modes/ephemeral-calls.ts'
import { placeCall } from './modes/place-call.ts'
import { policyFor, rulesOf, type UserProfile } from './modes/user-profile.ts'
import { place, type PlacedSandbox, type PlacementOptions, wantedRuntime } from './placement.ts'
import { claimSlot } from './pool/claim-slot.ts'
import { Pool } from './pool/pool.ts'
import { DegradedUsers } from './recovery/degraded.ts'
import { HungBridges } from './recovery/hung-bridges.ts'
import type { RegistryDeps } from './registry-deps.ts'
import type { Room } from './room.ts'

export interface StartsDeps extends RegistryDeps {
  readonly room: Room
  /** Where files are archived. */
  readonly archives: ArchiveSweep | undefined
}

/** What is made ready for a user's next call is kept for so long at most, in milliseconds: between two calls of an agent at work lie seconds. */
const MAX_STANDBY_MS = 60_000
/** Where nothing is known of the host, none of its directories is a workspace. */
const NO_HOST: HostFacts = { engineIsLocal: false, secrets: [], directories: [] }

/**
 * Brings sandboxes to life, each in the way of its mode: out of the pool, by placement, in the operator's container, or one for a call. What starts have in common is here: how
 * many there may be at once and of how many users, what comes before them, and what is told of them.
 */
export class Starts {
  /** Sandboxes that are ready for new users. */
  readonly pool: Pool
  readonly #deps: StartsDeps
  readonly #telemetry: Telemetry
  readonly #census: Census
  readonly #limitStarts: ReturnType<typeof pLimit>
  readonly #degraded = new DegradedUsers()
  readonly #hungBridges = new HungBridges()

  constructor(deps: StartsDeps) {
    this.#deps = deps
    const { engine, installation, maxSandboxes, maxRunning, maxStarts, room, telemetry = noTelemetry } = deps
    this.#telemetry = telemetry
    this.#limitStarts = pLimit(maxStarts)
    this.#census = new Census({ engine, installation, maxUsers: maxSandboxes, telemetry })
    this.pool = new Pool({
      ...deps,
      sizes: deps.poolSizes ?? new Map(),
      spare: () => maxRunning - room.taken,
      maxStarts: Math.ceil(maxStarts / 2),
      turn: (start) => this.#limitStarts(start),
    })
  }

  /** True while a start waits for its turn. */
  get isBusy(): boolean {
    return this.#limitStarts.pendingCount > 0
  }

  /** Lets the user try again at once, whatever failed before. */
  forgive({ userHash }: SandboxIdentity): void {
    this.#degraded.forget(userHash)
  }

  /** Brings the user's sandbox to life, wherever it stands. */
  bringToLife(
    identity: SandboxIdentity,
    profile: UserProfile,
    logger: Logger,
    options: PlacementOptions,
  ): Promise<PlacedSandbox> {
    const { host, info, supervisor } = this.#deps
    const { mode } = profile
    const deps = this.#placementDeps(profile, logger)
    if (mode?.name === 'attach') {
      if (!supervisor) throw new TypeError('no supervisor to put into a container')
      const { idleExitMs } = deps.policy
      return this.#measured(async () => {
        const placed = await attach({ ...deps, supervisor, idleExitMs }, identity, mode, options.signal)
        return { ...placed, how: 'found' as const, wanted: undefined, outdated: [] }
      })
    }
    const start = async () => {
      await this.#deps.archives?.wake(identity)
      return await this.#census.admit(identity, async () => {
        const bind = await boundDirectoryOf(profile, host ?? NO_HOST, info)
        // A slot starts nothing, so it waits for no turn.
        const claimed = rulesOf(profile).pooled ? await claimSlot(deps, identity, profile.runtime, options) : undefined
        if (claimed) return claimed
        await this.#makeWay()
        return await this.#limitStarts(() => place({ ...deps, bind }, identity, profile.runtime, options))
      })
    }
    return this.#measured(() => this.#degraded.guard(identity.userHash, start))
  }

  /** Whether each call of the user has a container of its own: by the user's settings, else the runtime's definition, else for all. */
  async isEphemeral({ identity, profile, logger }: Entry, { signal }: AcquireOptions): Promise<boolean> {
    const { engine, runtimes, runtimeModes } = this.#deps
    const { mode, defaultMode } = profile
    if (mode || !runtimeModes || runtimeModes.size === 0) return (mode?.name ?? defaultMode) === 'ephemeral'
    const { name } = await wantedRuntime(
      { engine, runtimes, logger },
      identity,
      profile.runtime,
      signal ? { signal } : {},
    )
    return (runtimeModes.get(name) ?? defaultMode) === 'ephemeral'
  }

  /** The containers of a user whose calls have one each. */
  calls({ identity, profile, logger }: Entry): EphemeralCalls {
    const deps = this.#placementDeps(profile, logger)
    return new EphemeralCalls({
      engine: deps.engine,
      logger,
      standbyMs: Math.min(profile.idleTimeoutMs || MAX_STANDBY_MS, MAX_STANDBY_MS),
      mayKeepOne: () => this.#deps.room.hasSpare,
      make: (options) =>
        this.#measured(async () => {
          const wanted = await wantedRuntime(
            deps,
            identity,
            profile.runtime,
            options.signal ? { signal: options.signal } : {},
          )
          await this.#deps.archives?.wake(identity)
          const placed = await this.#census.admit(identity, async () => {
            await this.#makeWay()
            return await this.#limitStarts(() => placeCall(deps, identity, wanted.name, options))
          })
          return { ...placed, how: placed.isNew ? ('created' as const) : ('resumed' as const) }
        }),
    })
  }

  #placementDeps(profile: UserProfile, logger: Logger) {
    return {
      ...this.#deps,
      policy: policyFor(this.#deps.policy, profile),
      hungBridges: this.#hungBridges,
      telemetry: this.#telemetry,
      pool: this.pool,
      logger,
    }
  }

  /** Users come before slots that nobody has. */
  async #makeWay(): Promise<void> {
    while (this.#deps.room.taken + this.pool.taken > this.#deps.maxRunning) if (!(await this.pool.giveWay())) return
  }

  /** A start as its waiters see it: the turn that starts take, and the build of an image, are in its time. */
  async #measured<T extends Pick<PlacedSandbox, 'how'>>(start: () => Promise<T>): Promise<T> {
    const started = performance.now()
    let outcome: string = 'internal'
    try {
      const placed = await start()
      outcome = placed.how
      return placed
    } catch (error) {
      outcome = codeOf(error)
      throw error
    } finally {
      this.#telemetry.sandboxStart(outcome, performance.now() - started)
    }
  }
}
