import pLimit from 'p-limit'
import type { Engine, EngineInfo } from '../engine/engine.ts'
import { codeOf, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { type EvictionReason, noTelemetry, type Telemetry } from '../lib/telemetry.ts'
import type { SupervisorBinary } from '../runtimes/supervisor-binary.ts'
import type { ReadyRuntime } from '../runtimes/image-builder.ts'
import type { FetchCall, FetchedPackages, FetchRequest, FetchScene } from '../runtimes/fetch/package-fetcher.ts'
import type { SandboxControl } from '../sandbox/control.ts'
import type { SandboxFacts } from '../sandbox/facts.ts'
import type { SandboxLink } from '../sandbox/link.ts'
import type { PackageSupply } from '../sandbox/packages.ts'
import { Sandbox } from '../sandbox/sandbox.ts'
import { UserControl } from './control.ts'
import type { AnonymousUser } from './anonymous.ts'
import type { Archiver } from './archiver.ts'
import type { SnapshotKeeper } from './snapshot-keeper.ts'
import { AnonymousLeftovers } from './anonymous-leftovers.ts'
import { AnonymousUsers } from './anonymous-users.ts'
import { HeldSandboxes } from './reconcile/held.ts'
import { type LookReport, Reconciler } from './reconcile/reconciler.ts'
import { DegradedUsers } from './recovery/degraded.ts'
import { HungBridges } from './recovery/hung-bridges.ts'
import { ArchiveSweep } from './archive-sweep.ts'
import { Census } from './census.ts'
import { Entries, type Entry } from './entries.ts'
import { FrozenLeftovers } from './frozen-leftovers.ts'
import { fetchLabels, identityOf, type SandboxIdentity } from './identity.ts'
import { IdleSweep } from './idle-sweep.ts'
import type { AcquireOptions, ExistingOptions, SandboxLease, SandboxProvider } from './lease.ts'
import { MemoryWatch, type MemoryReading } from './memory-watch.ts'
import { attach, type AttachedFacts } from './modes/attach.ts'
import { boundDirectoryOf, type HostFacts } from './modes/bind-scene.ts'
import { CallLeftovers } from './modes/call-leftovers.ts'
import { EphemeralCalls } from './modes/ephemeral-calls.ts'
import { modeRefuses } from './modes/mode-rules.ts'
import type { ModeName } from './modes/mode.ts'
import { placeCall } from './modes/place-call.ts'
import { policyFor, rulesOf, type UserProfile, type UserProfiles } from './modes/user-profile.ts'
import { findContainer, findWorkspace, resolveOwner } from './owner.ts'
import { place, type PlacedSandbox, type PlacementOptions, wantedRuntime } from './placement.ts'
import type { DiskFloor, DiskState } from './quota/disk-floor.ts'
import { QuotaWatch } from './quota/quota-watch.ts'
import { WorkspaceQuota } from './quota/workspace-quota.ts'
import { Room } from './room.ts'
import { claimSlot } from './pool/claim-slot.ts'
import { Pool } from './pool/pool.ts'
import { SlotLeftovers } from './pool/slot-leftovers.ts'
import { Prewarmer, type PrewarmRule } from './prewarm.ts'
import { attachedFacts, sandboxFacts, type SandboxPolicy } from './sandbox-spec.ts'
import { removeEverything } from './take-down.ts'
import type { UserSandbox } from './user-sandbox.ts'

/** What is made ready for a user's next call is kept for so long at most, in milliseconds: between two calls of an agent at work lie seconds. */
const MAX_STANDBY_MS = 60_000
/** Where nothing is known of the host, none of its directories is a workspace. */
const NO_HOST: HostFacts = { engineIsLocal: false, secrets: [], directories: [] }

export interface RegistryDeps {
  readonly engine: Engine
  readonly policy: SandboxPolicy
  readonly installation: string
  readonly info: () => Promise<EngineInfo>
  /** Makes the image of a runtime ready, building it if need be; remembers the answer. */
  readonly runtime: (name: string, options: PlacementOptions) => Promise<ReadyRuntime>
  /** Names of the runtimes that a user may choose. */
  readonly runtimes: readonly string[]
  /** What the operator says about each user. */
  readonly profiles: UserProfiles
  /** Downloads packages for a user's sandbox. */
  readonly packages: {
    fetch(request: FetchRequest, scene: FetchScene, call: FetchCall): Promise<FetchedPackages>
  }
  readonly forgetRuntime: (name: string) => void
  /** The modes of the runtimes whose definitions name one. */
  readonly runtimeModes?: ReadonlyMap<string, 'persistent' | 'ephemeral'>
  /** For workspaces that are directories of this machine; without it there are none. */
  readonly host?: HostFacts
  /** The supervisor for the engine's platform, to be put into containers of the operator's. */
  readonly supervisor?: (platform: string) => Promise<SupervisorBinary>
  /** Idle time after which a sandbox is frozen, in milliseconds; 0: never. */
  readonly freezeAfterMs: number
  /** How long a sandbox sleeps before its files are archived, in milliseconds; 0: never. Needs an archiver. */
  readonly archiveAfterMs: number
  /** Users of the installation who may have a sandbox at all; 0: any number. */
  readonly maxSandboxes: number
  /** Sandboxes that may run for this server at once, frozen ones included. */
  readonly maxRunning: number
  /** How long a call waits for one of them to end its work, in milliseconds. */
  readonly queueTimeoutMs: number
  /** How the memory of the engine's machine stands, and how much of it has to stay available; see {@link MemoryWatch}. */
  readonly memory?: { readonly read: () => Promise<MemoryReading | undefined>; readonly floorBytes: number }
  /** Containers that may be started at the same time: starting is bound by CPU. */
  readonly maxStarts: number
  /** How many sandboxes are kept ready for new users, by runtime; none if left out. See {@link Registry.fillPool}. */
  readonly poolSizes?: ReadonlyMap<string, number>
  /** Whose sandboxes {@link Registry.prewarm} makes ready; nobody's if left out. */
  readonly prewarm?: PrewarmRule
  /** Brings back the files of users who were archived. */
  readonly archiver?: Archiver | undefined
  /** Looks for what copies of workspaces by dead servers left behind. */
  readonly lookForCopies?: (() => Promise<unknown>) | undefined
  /** Keeps copies of files that users ask for. */
  readonly snapshots?: SnapshotKeeper | undefined
  readonly disk: {
    readonly floor: DiskFloor
    /** The engine's disk as this machine sees it; undefined where it is another machine's. */
    readonly local: () => Promise<DiskState | undefined>
  }
  readonly logger: Logger
  readonly telemetry?: Telemetry
}

/**
 * Which sandbox belongs to whom, and for how long. Holds only what can be found again in the engine: a server that is killed loses
 * nothing, and the next one adopts what runs.
 */
export class Registry implements SandboxProvider {
  readonly #deps: RegistryDeps
  readonly #entries: Entries
  readonly #room: Room
  readonly #sweep: IdleSweep
  readonly #memory: MemoryWatch | undefined
  readonly #quotas: QuotaWatch
  readonly #archives: ArchiveSweep | undefined
  readonly #census: Census
  readonly #frozenLeftovers: FrozenLeftovers
  readonly #limitStarts: ReturnType<typeof pLimit>
  readonly #telemetry: Telemetry
  readonly #anonymous: AnonymousUsers
  readonly #leftovers: AnonymousLeftovers
  readonly #degraded = new DegradedUsers()
  readonly #hungBridges = new HungBridges()
  readonly #pool: Pool
  readonly #slotLeftovers: SlotLeftovers
  readonly #prewarmer: Prewarmer
  readonly #reconciler: Reconciler
  readonly #callLeftovers: CallLeftovers
  #closed = false

  constructor(deps: RegistryDeps) {
    this.#deps = deps
    this.#limitStarts = pLimit(deps.maxStarts)
    this.#telemetry = deps.telemetry ?? noTelemetry
    const { engine, installation, profiles, logger, memory } = deps
    const telemetry = this.#telemetry
    this.#anonymous = new AnonymousUsers(installation)
    const isOurs = (hash: string) => this.#anonymous.hasHash(hash)
    this.#leftovers = new AnonymousLeftovers({ engine, installation, isOurs, logger })
    this.#census = new Census({ engine, installation, maxUsers: deps.maxSandboxes, telemetry })
    const holds = (id: string) => [...this.#entries].some(({ link }) => link.containerId === id)
    this.#frozenLeftovers = new FrozenLeftovers({ engine, installation, isOurs: holds, logger })
    this.#callLeftovers = new CallLeftovers({ engine, installation, logger })
    const entries = new Entries({
      engine,
      logger,
      profileOf: (user) => profiles.of(user),
      quotaOf: (profile, present, ofUser) =>
        new WorkspaceQuota({
          limits: policyFor(deps.policy, profile).workspace.limits,
          floor: deps.disk.floor,
          lookAtDisk: () => this.lookAtDisk(),
          // Of a directory or a container of the operator's the disk is not the engine's, nor the size ours to limit.
          present: rulesOf(profile).workspace === 'volume' ? present : () => undefined,
          telemetry: this.#telemetry,
          logger: ofUser,
        }),
      place: (identity, profile, ofUser, options) => this.#place(identity, profile, ofUser, options),
      onLessUse: () => {
        this.#room.onLessUse()
        this.#pool.refill()
      },
      onThaw: (ms) => telemetry.sandboxStart('thawed', ms),
    })
    this.#entries = entries
    this.#quotas = new QuotaWatch({
      quotas: () => [...entries].map(({ quota }) => quota),
      floor: deps.disk.floor,
      localDisk: deps.disk.local,
      logger,
    })
    this.#room = new Room({
      entries,
      maxRunning: deps.maxRunning,
      queueTimeoutMs: deps.queueTimeoutMs,
      evict: (entry, reason) => this.#evict(entry, 0, reason),
      telemetry,
    })
    this.#sweep = new IdleSweep({
      entries,
      freezeAfterMs: deps.freezeAfterMs,
      shortestIdleMs: profiles.shortestIdleMs,
      freeze: ({ link }, minIdleMs) => this.#freeze(link, minIdleMs),
      evict: (entry, minIdleMs) => this.#evict(entry, minIdleMs, 'idle'),
      isWanted: (entry) => this.#room.isWaiting(entry),
    })
    const { archiver, archiveAfterMs } = deps
    if (archiveAfterMs > 0 && !archiver) {
      throw new SandboxError(
        'config_invalid',
        'archiveAfter: there is no place for backups, so nothing can be archived.',
      )
    }
    if (archiver && archiveAfterMs > 0) {
      const isBusy = (identity: SandboxIdentity) => this.#isBusy(identity)
      this.#archives = new ArchiveSweep({ engine, installation, archiver, archiveAfterMs, isBusy, logger, telemetry })
    }
    this.#pool = new Pool({
      ...deps,
      sizes: deps.poolSizes ?? new Map(),
      spare: () => deps.maxRunning - this.#room.taken,
      maxStarts: Math.ceil(deps.maxStarts / 2),
      turn: (start) => this.#limitStarts(start),
    })
    this.#prewarmer = new Prewarmer({
      engine,
      room: this.#room,
      rule: deps.prewarm ?? 'never',
      isKept: async (entry) =>
        rulesOf(entry.profile).container === 'ours, stays' && !(await this.#isEphemeral(entry, {})),
      isBusy: () => this.#limitStarts.pendingCount > 0,
      logger,
    })
    this.#slotLeftovers = new SlotLeftovers({
      engine,
      installation,
      isOurs: (name) => this.#pool.holds(name),
      userOf: (containerId) => [...entries].find(({ link }) => link.containerId === containerId)?.identity,
      logger,
    })
    const idleTimeouts = new Map(
      profiles.named.map((user) => [identityOf(installation, user).userHash, profiles.of(user).idleTimeoutMs]),
    )
    // Of somebody about whom nothing is said: no user's name is empty.
    const usualTimeoutMs = profiles.of('').idleTimeoutMs
    this.#reconciler = new Reconciler({
      engine,
      installation,
      held: new HeldSandboxes({
        engine,
        entries,
        telemetry,
        evict: (entry, minIdleMs) => this.#evict(entry, minIdleMs, 'drift'),
        now: () => performance.now(),
      }),
      isBusy: (identity) => {
        const link = entries.find(identity)?.link
        return link !== undefined && (link.isStarting || link.isChanging)
      },
      idleTimeoutOf: (userHash) => idleTimeouts.get(userHash) ?? usualTimeoutMs,
      lookForLeftovers: async () => {
        const sessions = await this.lookForLeftovers()
        const slots = await this.lookForSlots()
        await deps.lookForCopies?.()
        return { suspects: sessions.suspects + slots.suspects }
      },
      logger,
      telemetry,
    })
    if (memory) {
      const evictLongestIdle = async () => (await this.#pool.shrink()) || (await this.#room.evictLongestIdle('memory'))
      this.#memory = new MemoryWatch({ ...memory, evictLongestIdle, logger })
      this.#memory.start()
    }
  }

  /** A lease on the user's sandbox, which is started, woken or adopted first. While it is held the sandbox is not evicted. */
  async acquire(user: string, options: AcquireOptions = {}): Promise<SandboxLease> {
    if (this.#closed) throw new SandboxError('cancelled', 'The server is shutting down.')
    options.signal?.throwIfAborted()
    const entry = this.#entry(user)
    const { link } = entry
    if (!link.isUsable && (await this.#isEphemeral(entry, options))) return await this.#acquireCall(entry, options)
    const waiting = this.#room.enter(entry, options)
    if (waiting) await waiting
    try {
      const { notice, runtime, attached } = await link.ready(options)
      if (entry.sandbox?.of.imageId !== runtime.imageId || entry.sandbox.attached !== attached) {
        entry.sandbox = {
          of: runtime,
          attached,
          value: this.#sandbox(entry, link, runtime, this.#facts(entry, runtime, attached)),
        }
        // A new workspace has no past.
        if (notice !== 'created') this.#tidy(entry, entry.sandbox.value, notice === 'resumed' || notice === 'recreated')
      }
      const sandbox = entry.sandbox.value
      let held = true
      const release = () => {
        if (held) link.releaseLease()
        held = false
      }
      return { sandbox, notice, release }
    } catch (error) {
      link.releaseLease()
      throw error
    }
  }

  /**
   * A lease on the user's sandbox as it is: one that runs, or with `wake` also one that sleeps; undefined when there is none. Another server may put the
   * sandbox to sleep between the look and the lease: then it is woken.
   */
  async acquireExisting(user: string, { wake, ...options }: ExistingOptions): Promise<SandboxLease | undefined> {
    const identity = this.#identityOf(user)
    if (this.#entries.find(identity)?.link.isUsable) return await this.acquire(user, options)
    const { engine } = this.#deps
    const call = options.signal ? { signal: options.signal } : {}
    const { mode } = this.#entry(user).profile
    // There is always one: the operator made it.
    if (mode?.name === 'attach' || (mode?.name === 'bind' && wake))
      return wake ? await this.acquire(user, options) : undefined
    const owner = await resolveOwner(engine, identity, call)
    const exists = wake
      ? owner.archive !== undefined || (await findWorkspace(engine, owner, call)) !== undefined
      : (await findContainer(engine, owner, call))?.state === 'running'
    return exists && (wake || this.#entries.find(identity)?.link.isChanging !== true)
      ? await this.acquire(user, options)
      : undefined
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
      endProcesses: async ({ signal, onProgress }) => {
        const lease = await this.acquire(user, { ...(signal && { signal }), ...(onProgress && { onProgress }) })
        try {
          const client = await this.#entry(user).link.client(signal)
          await client.killAll({ signal })
          return lease.sandbox.facts.runtime
        } finally {
          lease.release()
        }
      },
      start: async ({ signal, onProgress }) => {
        const lease = await this.acquire(user, { ...(signal && { signal }), ...(onProgress && { onProgress }) })
        lease.release()
        return lease.sandbox.facts.runtime
      },
    })
  }

  /** Compares the engine with what is needed, at once and again and again until the registry is closed: see {@link Reconciler}. */
  reconcileInBackground(): void {
    this.#reconciler.start()
  }

  /** One such look. Rejects when the engine does not answer. */
  look(): Promise<LookReport> {
    return this.#reconciler.look()
  }

  /** A user for one session of a caller without a name. */
  anonymousUser(): AnonymousUser {
    const { user, identity } = this.#anonymous.add()
    return { user, end: () => this.#endAnonymous(user, identity) }
  }

  /** Looks for what servers that were killed left behind: see {@link AnonymousLeftovers}, {@link FrozenLeftovers} and {@link CallLeftovers}. */
  async lookForLeftovers(): Promise<{ readonly removed: number; readonly thawed: number; readonly suspects: number }> {
    const ofSessions = await this.#leftovers.look()
    const frozen = await this.#frozenLeftovers.look()
    const ofCalls = await this.#callLeftovers.look()
    return {
      removed: ofSessions.removed + ofCalls.removed,
      thawed: frozen.thawed,
      suspects: ofSessions.suspects + frozen.suspects + ofCalls.suspects,
    }
  }

  /** Looks at the engine's disk now, and at workspaces that may have outgrown their limit. */
  lookAtDisk(): Promise<void> {
    return this.#quotas.look()
  }

  /** As {@link lookForLeftovers}, for the sandboxes that such servers kept for new users: see {@link SlotLeftovers}. */
  lookForSlots(): Promise<{ readonly removed: number; readonly suspects: number }> {
    return this.#slotLeftovers.look()
  }

  /** Begins to keep sandboxes ready for new users. Never waits or throws: what fails is a warning, and tried again. */
  fillPool(): void {
    this.#pool.start()
  }

  /** A client of this user has connected: makes their sandbox ready in the background, if the operator wants that. Never waits or throws. */
  prewarm(user: string): void {
    if (!this.#closed) void this.#prewarmer.warm(() => this.#entry(user))
  }

  /** How many sandboxes without a user this server keeps. */
  get poolSlots(): { readonly ready: number; readonly starting: number } {
    return { ready: this.#pool.ready, starting: this.#pool.starting }
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
    this.#reconciler.stop()
    this.#sweep.stop()
    this.#memory?.stop()
    this.#quotas.stop()
    this.#prewarmer.stop()
    const poolClosed = this.#pool.close()
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

  #place(
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
      await this.#archives?.wake(identity)
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

  #placementDeps(profile: UserProfile, logger: Logger) {
    return {
      ...this.#deps,
      policy: policyFor(this.#deps.policy, profile),
      hungBridges: this.#hungBridges,
      telemetry: this.#telemetry,
      pool: this.#pool,
      logger,
    }
  }

  /** Whether each call of the user has a container of its own: by the user's settings, else the runtime's definition, else for all. */
  async #isEphemeral({ identity, profile, logger }: Entry, { signal }: AcquireOptions): Promise<boolean> {
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

  /** A lease on a container for this call alone, which goes with the lease. */
  async #acquireCall(entry: Entry, options: AcquireOptions): Promise<SandboxLease> {
    const { link } = entry
    const calls = (entry.calls ??= this.#calls(entry))
    const waiting = this.#room.enter(entry, options)
    if (waiting) await waiting
    try {
      const call = await calls.take(options)
      const { runtime, isNew } = call.placed
      let held = true
      const release = () => {
        // Its place is free when its container is gone.
        if (held) void calls.end(call).finally(() => link.releaseLease())
        held = false
      }
      const sandbox = this.#sandbox(entry, call, runtime, this.#facts(entry, runtime, undefined, 'ephemeral'))
      return { sandbox, notice: isNew ? 'created' : undefined, release }
    } catch (error) {
      link.releaseLease()
      throw error
    }
  }

  #calls({ identity, profile, logger }: Entry): EphemeralCalls {
    const deps = this.#placementDeps(profile, logger)
    return new EphemeralCalls({
      engine: deps.engine,
      logger,
      standbyMs: Math.min(profile.idleTimeoutMs || MAX_STANDBY_MS, MAX_STANDBY_MS),
      mayKeepOne: () => this.#room.hasSpare,
      make: (options) =>
        this.#measured(async () => {
          const wanted = await wantedRuntime(
            deps,
            identity,
            profile.runtime,
            options.signal ? { signal: options.signal } : {},
          )
          await this.#archives?.wake(identity)
          const placed = await this.#census.admit(identity, async () => {
            await this.#makeWay()
            return await this.#limitStarts(() => placeCall(deps, identity, wanted.name, options))
          })
          return { ...placed, how: placed.isNew ? ('created' as const) : ('resumed' as const) }
        }),
    })
  }

  /** Users come before slots that nobody has. */
  async #makeWay(): Promise<void> {
    while (this.#room.taken + this.#pool.taken > this.#deps.maxRunning) if (!(await this.#pool.giveWay())) return
  }

  /** An archiving of the user's files gives up first; none begins meanwhile. */
  async #whileDown({ identity, link }: Entry, change: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    this.#degraded.forget(identity.userHash)
    const changeAlone = async () => {
      await this.#archives?.wake(identity)
      await change()
    }
    await link.whileDown(changeAlone, signal)
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

  /** Beside the first call, which need not wait for it. */
  #tidy({ link, logger }: Entry, sandbox: Sandbox, isNewBoot: boolean): void {
    link.addLease()
    sandbox
      .tidy(isNewBoot)
      .then(
        (removed) => removed > 0 && logger.info({ removed }, 'removed what calls of a server that was killed had left'),
        (error: unknown) => logger.warn({ err: error }, 'what calls of other servers may have left was not removed'),
      )
      .finally(() => link.releaseLease())
  }

  #facts(
    { profile }: Entry,
    runtime: ReadyRuntime,
    attached: AttachedFacts | undefined,
    mode: ModeName = profile.mode?.name ?? 'persistent',
  ): SandboxFacts {
    const { policy } = this.#deps
    return attached
      ? attachedFacts(runtime, attached, policy.maxTimeoutMs)
      : sandboxFacts(runtime, policyFor(policy, profile), profile.idleTimeoutMs, mode)
  }

  #sandbox({ identity, logger, quota }: Entry, link: SandboxLink, runtime: ReadyRuntime, facts: SandboxFacts): Sandbox {
    const { packages } = this.#deps
    const labels = fetchLabels(identity.installation, identity.userHash)
    const scene = { runtime, labels, sandboxNetwork: facts.network }
    const supply: PackageSupply = {
      fetch: (request, options) => {
        // They would be for another image, and the program that installs them is not there.
        if (facts.mode === 'attach') return Promise.reject(modeRefuses(facts.mode, 'install_packages'))
        return packages.fetch(request, scene, options)
      },
    }
    return new Sandbox(link, facts, supply, logger, quota)
  }
}
