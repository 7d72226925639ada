import { randomBytes } from 'node:crypto'
import pLimit from 'p-limit'
import type { Engine, EngineInfo } from '../engine/engine.ts'
import { codeOf, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { type EvictionReason, noTelemetry, type Telemetry } from '../lib/telemetry.ts'
import { isAbandoned } from '../runtimes/helper-container.ts'
import { MEASURE_LABELS } from '../runtimes/measure.ts'
import type { ReadyRuntime } from '../runtimes/image-builder.ts'
import type { FetchCall, FetchedPackages, FetchRequest, FetchScene } from '../runtimes/fetch/package-fetcher.ts'
import type { SandboxControl } from '../sandbox/control.ts'
import type { PackageSupply } from '../sandbox/packages.ts'
import { Sandbox } from '../sandbox/sandbox.ts'
import { UserControl } from './control.ts'
import type { AnonymousUser } from './anonymous.ts'
import { AnonymousLeftovers } from './anonymous-leftovers.ts'
import { fetchLabels, identityOf, installationLabels, type SandboxIdentity } from './identity.ts'
import type { ExistingOptions, SandboxLease, SandboxProvider } from './lease.ts'
import { place, type PlacedSandbox, type PlacementOptions } from './placement.ts'
import { sandboxFacts, type SandboxPolicy } from './sandbox-spec.ts'
import { removeEverything } from './take-down.ts'
import { UserSandbox } from './user-sandbox.ts'

export interface RegistryDeps {
  readonly engine: Engine
  readonly policy: SandboxPolicy
  readonly installation: string
  readonly info: () => Promise<EngineInfo>
  /** Makes the image of a runtime ready, building it if need be; remembers the answer. */
  readonly runtime: (name: string, options: PlacementOptions) => Promise<ReadyRuntime>
  /** Names of the runtimes that a user may choose. */
  readonly runtimes: readonly string[]
  /** The operator's runtime for a user who chose none. */
  readonly runtimeOf: (user: string) => string
  /** Downloads packages for a user's sandbox. */
  readonly packages: {
    fetch(request: FetchRequest, scene: FetchScene, call: FetchCall): Promise<FetchedPackages>
  }
  readonly forgetRuntime: (name: string) => void
  /** Idle time after which a sandbox is put to sleep; 0: never. */
  readonly idleTimeoutMs: number
  /** Sandboxes that may run for this server at once. */
  readonly maxSandboxes: number
  /** Containers that may be started at the same time: starting is bound by CPU. */
  readonly maxStarts: number
  readonly logger: Logger
  readonly telemetry?: Telemetry
}

interface Entry {
  readonly identity: SandboxIdentity
  /** Its lines name the user by a hash. */
  readonly logger: Logger
  readonly link: UserSandbox
  /** Made at the first start, and again with another runtime: its facts come from the runtime's image. */
  sandbox: { readonly of: ReadyRuntime; readonly value: Sandbox } | undefined
}

/** The idle clock is looked at this often: a fraction of the timeout, within these bounds, in milliseconds. */
const SWEEP_SHARE = 4
const MIN_SWEEP_MS = 250
const MAX_SWEEP_MS = 30_000

/** Of the names of anonymous users, which nobody can guess. */
const ANONYMOUS_BYTES = 16

/**
 * Which sandbox belongs to whom, and for how long. Holds only what can be found again in the engine: a server that is killed loses
 * nothing, and the next one adopts what runs.
 */
export class Registry implements SandboxProvider {
  readonly #deps: RegistryDeps
  readonly #entries = new Map<string, Entry>()
  readonly #limitStarts: ReturnType<typeof pLimit>
  readonly #telemetry: Telemetry
  readonly #sweeper: NodeJS.Timeout | undefined
  /** By their names: those that last as long as a session. */
  readonly #anonymous = new Map<string, SandboxIdentity>()
  readonly #leftovers: AnonymousLeftovers
  #closed = false

  constructor(deps: RegistryDeps) {
    this.#deps = deps
    this.#limitStarts = pLimit(deps.maxStarts)
    this.#telemetry = deps.telemetry ?? noTelemetry
    const { engine, installation, logger } = deps
    const isOurs = (hash: string) => [...this.#anonymous.values()].some(({ userHash }) => userHash === hash)
    this.#leftovers = new AnonymousLeftovers({ engine, installation, isOurs, logger })
    if (deps.idleTimeoutMs > 0) {
      const everyMs = Math.min(MAX_SWEEP_MS, Math.max(MIN_SWEEP_MS, deps.idleTimeoutMs / SWEEP_SHARE))
      this.#sweeper = setInterval(() => void this.#sweep(), everyMs)
      this.#sweeper.unref()
    }
  }

  /** A lease on the user's sandbox, which is started, woken or adopted first. While it is held the sandbox is not evicted. */
  async acquire(user: string, options: PlacementOptions = {}): Promise<SandboxLease> {
    if (this.#closed) throw new SandboxError('cancelled', 'The server is shutting down.')
    options.signal?.throwIfAborted()
    const entry = this.#entry(user)
    const { link } = entry
    link.addLease()
    try {
      if (!link.isConnected && !link.isStarting) await this.#makeRoom(link)
      const { notice, runtime } = await link.ready(options)
      if (entry.sandbox?.of.imageId !== runtime.imageId) {
        entry.sandbox = { of: runtime, value: this.#sandbox(entry, runtime) }
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
    if (this.#entries.get(user)?.link.isUsable) return await this.acquire(user, options)
    const { engine, installation } = this.#deps
    const { containerName, volumeName } = identityOf(installation, user)
    const call = options.signal ? { signal: options.signal } : {}
    const exists = wake
      ? (await engine.volumes.inspect(volumeName, call)) !== undefined
      : (await engine.containers.inspect(containerName, call))?.state === 'running'
    return exists && (wake || this.#entries.get(user)?.link.isChanging !== true)
      ? await this.acquire(user, options)
      : undefined
  }

  control(user: string): SandboxControl {
    const { engine, runtimes, runtime } = this.#deps
    return new UserControl({
      engine,
      identity: this.#identityOf(user),
      runtimes,
      prepareRuntime: (name, options) => runtime(name, options),
      whileDown: (change, signal) => this.#entry(user).link.whileDown(change, signal),
      start: async ({ signal, onProgress }) => {
        const lease = await this.acquire(user, { signal, onProgress })
        lease.release()
        return lease.sandbox.facts.runtime
      },
    })
  }

  /**
   * Removes what servers of this installation left behind that cannot be of use: containers that have ended, of sandboxes and of
   * downloads (those end with their server). Volumes stay.
   */
  async removeEnded(): Promise<number> {
    const { engine, installation, logger } = this.#deps
    const sandboxes = await engine.containers.list(installationLabels(installation))
    const helpers = [
      ...(await engine.containers.list(fetchLabels(installation))),
      ...(await engine.containers.list(MEASURE_LABELS)),
    ]
    const ended = [...sandboxes.filter(({ state }) => state === 'exited'), ...helpers.filter(isAbandoned)]
    await Promise.all(ended.map((container) => engine.containers.remove(container.id)))
    if (ended.length > 0) logger.info({ containers: ended.length }, 'removed ended containers; the files stay')
    return ended.length
  }

  /** A user for one session of a caller without a name. What it makes is labelled, so that a later server can tell that it is of no use. */
  anonymousUser(): AnonymousUser {
    const user = `anonymous ${randomBytes(ANONYMOUS_BYTES).toString('hex')}`
    const identity = identityOf(this.#deps.installation, user, true)
    this.#anonymous.set(user, identity)
    return { user, end: () => this.#endAnonymous(user, identity) }
  }

  /** Looks for what anonymous sessions of servers that were killed left behind: see {@link AnonymousLeftovers}. */
  lookForLeftovers(): Promise<{ readonly removed: number; readonly suspects: number }> {
    return this.#leftovers.look()
  }

  /** How many sandboxes this server holds, by state: being started · used by a call · connected and not used. */
  states(): { readonly starting: number; readonly in_use: number; readonly idle: number } {
    const states = { starting: 0, in_use: 0, idle: 0 }
    for (const { link } of this.#entries.values()) {
      if (link.isStarting) states.starting++
      else if (link.isConnected) states[link.leases > 0 ? 'in_use' : 'idle']++
    }
    return states
  }

  /** Lets go of all sandboxes. They go on running, or, when `evictIdle`, those that nobody uses are put to sleep first. */
  async close(evictIdle: boolean): Promise<void> {
    this.#closed = true
    clearInterval(this.#sweeper)
    if (evictIdle) await Promise.all([...this.#entries.values()].map(({ link }) => this.#evict(link, 0, 'exit')))
    for (const { link } of this.#entries.values()) link.close()
  }

  #identityOf(user: string): SandboxIdentity {
    return this.#anonymous.get(user) ?? identityOf(this.#deps.installation, user)
  }

  async #endAnonymous(user: string, identity: SandboxIdentity): Promise<void> {
    const entry = this.#entries.get(user)
    try {
      // Without an entry nothing was ever made.
      await entry?.link.retire(() => removeEverything(this.#deps.engine, identity))
    } finally {
      this.#entries.delete(user)
      this.#anonymous.delete(user)
    }
  }

  #entry(user: string): Entry {
    const found = this.#entries.get(user)
    if (found) return found
    const identity = this.#identityOf(user)
    const logger = this.#deps.logger.child({ user: identity.userHash })
    const deps = { ...this.#deps, logger }
    const link = new UserSandbox({
      engine: deps.engine,
      logger,
      place: (options) =>
        this.#measured(() => this.#limitStarts(() => place(deps, identity, deps.runtimeOf(user), options))),
    })
    const entry: Entry = { identity, logger, link, sandbox: undefined }
    this.#entries.set(user, entry)
    return entry
  }

  /** A start as its waiters see it: the turn that starts take, and the build of an image, are in its time. */
  async #measured(start: () => Promise<PlacedSandbox>): Promise<PlacedSandbox> {
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

  async #evict(link: UserSandbox, minIdleMs: number, reason: EvictionReason): Promise<boolean> {
    const evicted = await link.evict(minIdleMs)
    if (evicted) this.#telemetry.sandboxEvicted(reason)
    return evicted
  }

  #sandbox({ identity, logger, link }: Entry, runtime: ReadyRuntime): Sandbox {
    const { policy, packages } = this.#deps
    const facts = sandboxFacts(runtime, policy, this.#deps.idleTimeoutMs)
    const labels = fetchLabels(identity.installation, identity.userHash)
    const scene = { runtime, labels, sandboxNetwork: facts.network }
    const supply: PackageSupply = { fetch: (request, options) => packages.fetch(request, scene, options) }
    return new Sandbox(link, facts, supply, logger)
  }

  /** At the limit the sandbox that was idle longest goes to sleep; if none is idle the caller is told to come back. */
  async #makeRoom(forLink: UserSandbox): Promise<void> {
    const entries = [...this.#entries.values()].filter(({ link }) => link !== forLink)
    const others = entries.map(({ link }) => link)
    // A lease counts before its sandbox starts, so that two newcomers do not take the same place.
    const taken = others.filter((link) => link.leases > 0 || link.isConnected || link.isStarting)
    if (taken.length < this.#deps.maxSandboxes) return
    const idle = entries
      .filter(mayBeEvicted)
      .map(({ link }) => link)
      .filter((link) => link.isConnected && link.idleMs > 0)
      .sort((a, b) => b.idleMs - a.idleMs)
    for (const link of idle) if (await this.#evict(link, 0, 'room')) return
    throw new SandboxError('sandbox_limit', `All ${this.#deps.maxSandboxes} sandboxes of this server are in use.`)
  }

  async #sweep(): Promise<void> {
    const { idleTimeoutMs } = this.#deps
    const idle = [...this.#entries.entries()].filter(
      ([, entry]) => mayBeEvicted(entry) && entry.link.idleMs >= idleTimeoutMs,
    )
    await Promise.all(idle.map(([, { link }]) => this.#evict(link, idleTimeoutMs, 'idle')))
    for (const [user, { link }] of idle) {
      if (!link.isConnected && !link.isStarting && link.leases === 0) this.#entries.delete(user)
    }
  }
}

/** An anonymous session's sandbox lasts as long as its session: without a container nothing would tell its files from those of a dead server. */
function mayBeEvicted({ identity }: Entry): boolean {
  return !identity.isAnonymous
}
