import type { Logger } from '../lib/logger.ts'
import { type EvictionReason, noTelemetry, type Telemetry } from '../lib/telemetry.ts'
import type { SandboxControl } from '../sandbox/control.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import type { AnonymousUser } from './anonymous.ts'
import { AnonymousUsers } from './anonymous-users.ts'
import type { ArchiveSweep } from './archive-sweep.ts'
import { UserControl } from './control.ts'
import { Entries, type Entry } from './entries.ts'
import { identityOf, type SandboxIdentity } from './identity.ts'
import type { AcquireOptions, ExistingOptions, SandboxLease, SandboxProvider } from './lease.ts'
import { Leases } from './leases.ts'
import { policyFor, rulesOf, type UserProfile } from './modes/user-profile.ts'
import { Prewarmer } from './prewarm.ts'
import { WorkspaceQuota } from './quota/workspace-quota.ts'
import type { LookReport } from './reconcile/reconciler.ts'
import type { RegistryDeps } from './registry-deps.ts'
import { Room } from './room.ts'
import { Starts } from './starts.ts'
import { removeEverything } from './take-down.ts'
import { archivesOf, Upkeep } from './upkeep.ts'
import type { UserSandbox } from './user-sandbox.ts'

/**
 * Which sandbox belongs to whom, and for how long. Holds only what can be found again in the engine: a server that is killed loses
 * nothing, and the next one adopts what runs.
 */
export class Registry implements SandboxProvider {
  readonly #deps: RegistryDeps
  readonly #telemetry: Telemetry
  readonly #anonymous: AnonymousUsers
  readonly #entries: Entries
  readonly #room: Room
  readonly #archives: ArchiveSweep | undefined
  readonly #starts: Starts
  readonly #leases: Leases
  readonly #prewarmer: Prewarmer
  readonly #upkeep: Upkeep
  #closed = false

  constructor(deps: RegistryDeps) {
    this.#deps = deps
    const { engine, installation, profiles, logger, telemetry = noTelemetry } = deps
    this.#telemetry = telemetry
    this.#anonymous = new AnonymousUsers(installation)
    this.#entries = new Entries({
      engine,
      logger,
      profileOf: (user) => profiles.of(user),
      quotaOf: (profile, present, ofUser) => this.#quota(profile, present, ofUser),
      place: (identity, profile, ofUser, options) => this.#starts.bringToLife(identity, profile, ofUser, options),
      onLessUse: () => {
        this.#room.onLessUse()
        this.#starts.pool.refill()
      },
      onThaw: (ms) => telemetry.sandboxStart('thawed', ms),
    })
    this.#room = new Room({
      entries: this.#entries,
      maxRunning: deps.maxRunning,
      queueTimeoutMs: deps.queueTimeoutMs,
      evict: (entry, reason) => this.#evict(entry, 0, reason),
      telemetry,
    })
    this.#archives = archivesOf(deps, telemetry, (identity) => this.#isBusy(identity))
    this.#starts = new Starts({ ...deps, room: this.#room, archives: this.#archives })
    this.#leases = new Leases({
      ...deps,
      entries: this.#entries,
      room: this.#room,
      starts: this.#starts,
      identityOf: (user) => this.#identityOf(user),
    })
    this.#prewarmer = new Prewarmer({
      engine,
      room: this.#room,
      rule: deps.prewarm ?? 'never',
      isKept: async (entry) =>
        rulesOf(entry.profile).container === 'ours, stays' && !(await this.#starts.isEphemeral(entry, {})),
      isBusy: () => this.#starts.isBusy,
      logger,
    })
    this.#upkeep = new Upkeep({
      ...deps,
      telemetry,
      entries: this.#entries,
      room: this.#room,
      pool: this.#starts.pool,
      anonymous: this.#anonymous,
      evict: (entry, minIdleMs, reason) => this.#evict(entry, minIdleMs, reason),
      freeze: ({ link }, minIdleMs) => this.#freeze(link, minIdleMs),
    })
  }

  /** A lease on the user's sandbox, which is started, woken or adopted first. While it is held the sandbox is not evicted. */
  acquire(user: string, options: AcquireOptions = {}): Promise<SandboxLease> {
    return this.#leases.acquire(user, options)
  }

  /** A lease on the user's sandbox as it is: one that runs, or with `wake` also one that sleeps; undefined when there is none. */
  acquireExisting(user: string, options: ExistingOptions): Promise<SandboxLease | undefined> {
    return this.#leases.acquireExisting(user, options)
  }

  control(user: string): SandboxControl {
    const { engine, runtimes, runtime } = this.#deps
    const { mode, defaultMode } = this.#entry(user).profile
    return new UserControl({
      engine,
      identity: this.#identityOf(user),
      mode: mode?.name ?? defaultMode,
      runtimes,
      snapshots: this.#deps.snapshots,
      prepareRuntime: (name, options) => runtime(name, options),
      whileDown: (change, signal) => this.#whileDown(this.#entry(user), change, signal),
      acquire: (options) => this.acquire(user, options),
      endProcesses: async ({ signal }) => {
        const client = await this.#entry(user).link.client(signal)
        await client.killAll({ signal })
      },
    })
  }

  /** Compares the engine with what is needed, at once and again and again until the registry is closed: see {@link Upkeep}. */
  reconcileInBackground(): void {
    this.#upkeep.start()
  }

  /** One such look. Rejects when the engine does not answer. */
  look(): Promise<LookReport> {
    return this.#upkeep.look()
  }

  /** A user for one session of a caller without a name. */
  anonymousUser(): AnonymousUser {
    const { user, identity } = this.#anonymous.add()
    return { user, end: () => this.#endAnonymous(user, identity) }
  }

  /** See {@link Upkeep.lookForLeftovers}. */
  lookForLeftovers(): ReturnType<Upkeep['lookForLeftovers']> {
    return this.#upkeep.lookForLeftovers()
  }

  /** Looks at the engine's disk now, and at workspaces that may have outgrown their limit. */
  lookAtDisk(): Promise<void> {
    return this.#upkeep.lookAtDisk()
  }

  /** See {@link Upkeep.lookForSlots}. */
  lookForSlots(): ReturnType<Upkeep['lookForSlots']> {
    return this.#upkeep.lookForSlots()
  }

  /** Begins to keep sandboxes ready for new users. Never waits or throws: what fails is a warning, and tried again. */
  fillPool(): void {
    this.#starts.pool.start()
  }

  /** A client of this user has connected: makes their sandbox ready in the background, if the operator wants that. Never waits or throws. */
  prewarm(user: string): void {
    if (!this.#closed) void this.#prewarmer.warm(() => this.#entry(user))
  }

  /** How many sandboxes without a user this server keeps. */
  get poolSlots(): { readonly ready: number; readonly starting: number } {
    return { ready: this.#starts.pool.ready, starting: this.#starts.pool.starting }
  }

  /** How many sandboxes this server holds, by state: being started · used by a call · connected and not used · frozen. */
  states(): Readonly<Record<'starting' | 'in_use' | 'idle' | 'frozen', number>> {
    const states = { starting: 0, in_use: 0, idle: 0, frozen: 0 }
    for (const { link, calls } of this.#entries) {
      if (calls) {
        states.in_use += link.leases
        states.idle += Number(calls.hasStandby)
      } else if (link.rung === 'ready') states[link.leases > 0 ? 'in_use' : 'idle']++
      else if (link.rung === 'starting' || link.rung === 'frozen') states[link.rung]++
    }
    return states
  }

  /** Users whose calls wait for a place for their sandbox. */
  get waitingForRoom(): number {
    return this.#room.waiting
  }

  /**
   * Lets go of all sandboxes. They go on running, frozen ones too, so that they can end by themselves when no server comes; or, when
   * `evictIdle`, those that nobody uses are put to sleep first. The pool's own, which nobody has, are removed.
   */
  async close(evictIdle: boolean): Promise<void> {
    this.#closed = true
    this.#leases.close()
    this.#upkeep.stop()
    this.#prewarmer.stop()
    const poolClosed = this.#starts.pool.close()
    await this.#archives?.stop()
    if (evictIdle) await Promise.all([...this.#entries].map((entry) => this.#evict(entry, 0, 'exit')))
    await Promise.all([...this.#entries].map((entry) => this.#leave(entry)))
    await poolClosed
  }

  #identityOf(user: string): SandboxIdentity {
    return this.#anonymous.identityOf(user) ?? identityOf(this.#deps.installation, user)
  }

  async #endAnonymous(user: string, identity: SandboxIdentity): Promise<void> {
    const entry = this.#entries.find(identity)
    try {
      await entry?.calls?.close()
      // Without an entry nothing was ever made.
      await entry?.link.retire(() => removeEverything(this.#deps.engine, identity))
    } finally {
      this.#entries.delete(identity)
      this.#anonymous.delete(user)
    }
  }

  #entry(user: string): Entry {
    return this.#entries.of(user, this.#identityOf(user))
  }

  /** An archiving of the user's files gives up first; none begins meanwhile. */
  async #whileDown({ identity, link }: Entry, change: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    this.#starts.forgive(identity)
    const changeAlone = async () => {
      await this.#archives?.wake(identity)
      await change()
    }
    await link.whileDown(changeAlone, signal)
  }

  #quota(profile: UserProfile, present: () => SupervisorClient | undefined, logger: Logger): WorkspaceQuota {
    const { policy, disk } = this.#deps
    return new WorkspaceQuota({
      limits: policyFor(policy, profile).workspace.limits,
      floor: disk.floor,
      lookAtDisk: () => this.lookAtDisk(),
      // Of a directory or a container of the operator's the disk is not the engine's, nor the size ours to limit.
      present: rulesOf(profile).workspace === 'volume' ? present : () => undefined,
      telemetry: this.#telemetry,
      logger,
    })
  }

  #isBusy(identity: SandboxIdentity): boolean {
    const entry = this.#entries.find(identity)
    return (
      entry !== undefined &&
      (entry.calls?.hasStandby === true ||
        entry.link.takesPlace ||
        entry.link.isChanging ||
        this.#room.isWaiting(entry))
    )
  }

  async #evict({ link, calls }: Entry, minIdleMs: number, reason: EvictionReason): Promise<boolean> {
    const evicted = calls ? await calls.dropStandby() : await link.evict(minIdleMs)
    if (calls && evicted) this.#room.onLessUse()
    if (evicted) this.#telemetry.sandboxEvicted(reason)
    return evicted
  }

  async #freeze(link: UserSandbox, minIdleMs: number): Promise<boolean> {
    const frozen = await link.freeze(minIdleMs)
    if (frozen) this.#telemetry.sandboxFrozen()
    return frozen
  }

  async #leave({ link, calls, logger }: Entry): Promise<void> {
    await calls?.close()
    try {
      await link.thawToLeave()
    } catch (error) {
      logger.warn({ err: error }, 'a frozen sandbox could not be thawed; the next server finds it')
    }
    link.close()
  }
}
