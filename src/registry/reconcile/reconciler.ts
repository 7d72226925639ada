import type { ContainerSummary, Engine } from '../../engine/engine.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Reconciled, Telemetry } from '../../lib/telemetry.ts'
import { isAbandoned, letGo } from '../../runtimes/helper-leftovers.ts'
import { MEASURE_LABELS } from '../../runtimes/measure.ts'
import { LABEL, type SandboxIdentity } from '../identity.ts'
import { listHoldings } from '../owned.ts'
import { FirstSeen } from './first-seen.ts'
import type { HeldSandboxes } from './held.ts'
import { Schedule } from './schedule.ts'
import { UnheldSandboxes } from './unheld.ts'

export interface ReconcilerDeps {
  readonly engine: Engine
  readonly installation: string
  readonly held: HeldSandboxes
  /** True while this server starts the user's sandbox, or takes it down: what is seen of it is of its own doing. */
  readonly isBusy: (identity: SandboxIdentity) => boolean
  /** The idle time after which a user's sandbox is put to sleep, in milliseconds; 0: never. */
  readonly idleTimeoutOf: (userHash: string) => number
  /** Looks for what sessions without a user, and pools, left behind; resolves to how many a second look may remove. */
  readonly lookForLeftovers: () => Promise<{ readonly suspects: number }>
  readonly logger: Logger
  readonly telemetry: Telemetry
  /** A clock that only goes forward, in milliseconds. */
  readonly now?: () => number
}

/** What one look removed. */
export type LookReport = Readonly<Record<Reconciled, number>>

/** A container is started by its server within seconds after it was made, or not at all, in milliseconds: beyond the deadlines of all that is between. */
const HALF_MADE_MS = 2 * 60_000
/** Between two looks at what may have been left behind, in milliseconds: longer than it takes to make a sandbox. */
const SECOND_LOOK_MS = 10_000

/**
 * Compares what the engine has of this installation with what anybody needs: at the start, every minute, and soon after something happened. One look is two
 * lists, whatever the number of sandboxes. What does not carry the installation's labels is not in them, and never touched, whatever its name.
 *
 * Two servers of one installation look at the same things, and neither knows what the other does. So each rule holds without that:
 * - `ended`: nobody uses what has ended, and the engine removes it only if it still has (`unlessRunning`). Who is about to start it again (a recovery
 *   by another server) is told that it is gone, and makes a new one on the same files.
 * - `half_made`: the same, for what was made and not started for longer than any server takes.
 * - `helper`: helpers end with their server; what has ended is removed as above.
 * - `unheld`: the supervisor decides, which knows every server's use (unheld.ts).
 * - drift: only from older settings to newer (drift.ts).
 * - slots that nobody has, and sandboxes of sessions without a user, are the matter of {@link ReconcilerDeps.lookForLeftovers}.
 */
export class Reconciler {
  readonly #deps: ReconcilerDeps
  readonly #schedule: Schedule
  readonly #unheld: UnheldSandboxes
  readonly #halfMade: FirstSeen
  readonly #stop = new AbortController()

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps
    const { engine, logger, now = () => performance.now() } = deps
    this.#unheld = new UnheldSandboxes({ engine, logger, now })
    this.#halfMade = new FirstSeen(now)
    this.#schedule = new Schedule({ look: () => this.#lookAtAll(), logger })
  }

  /** Begins to look and to follow the engine's events. */
  start(): void {
    void this.#follow()
    this.#schedule.start()
  }

  /** Begins nothing any more. A look under way ends by itself, at the latest when the engine is closed: an engine that hangs holds nobody up. */
  stop(): void {
    this.#stop.abort()
    this.#schedule.stop()
  }

  /** One look. Rejects when the engine does not answer. */
  async look(): Promise<LookReport> {
    const { engine, installation, held } = this.#deps
    const { users, containers } = await listHoldings(engine, installation)
    const helpers = [
      ...containers.filter(({ labels }) => !OF_USERS.has(labels[LABEL.role])),
      ...(await engine.containers.list(MEASURE_LABELS)),
    ].filter(isAbandoned)
    const owned = users.flatMap(({ owner: { identity }, container }) => (container ? [{ identity, container }] : []))
    const others = owned.filter(({ identity, container }) => !held.of(container.id) && !this.#deps.isBusy(identity))
    const inState = (state: ContainerSummary['state']) =>
      others.filter(({ container }) => container.state === state).map(({ container }) => container)

    const created = inState('created')
    this.#halfMade.update(created.map(({ id }) => id))
    const slots = containers.filter(({ labels, state }) => labels[LABEL.role] === 'slot' && state === 'exited')
    const ended = new Map([...inState('exited'), ...slots].map((container) => [container.id, container]))
    // Before they go: a copy's helper alone knows what stands still for it.
    for (const helper of helpers) await letGo(engine, helper)
    const report = {
      ended: await this.#remove('ended', [...ended.values()]),
      half_made: await this.#remove(
        'half_made',
        created.filter(({ id }) => this.#halfMade.ageMs(id) >= HALF_MADE_MS),
      ),
      helper: await this.#remove('helper', helpers),
      unheld: await this.#sleep(others),
    }
    await held.look()
    return report
  }

  async #lookAtAll(): Promise<number | undefined> {
    await this.look()
    const { suspects } = await this.#deps.lookForLeftovers()
    return suspects > 0 ? SECOND_LOOK_MS : undefined
  }

  async #remove(found: Reconciled, containers: readonly ContainerSummary[]): Promise<number> {
    const { engine, logger } = this.#deps
    await Promise.all(containers.map(({ id }) => engine.containers.remove(id, { unlessRunning: true })))
    this.#tell(found, containers.length)
    if (containers.length > 0)
      logger.info({ found, containers: containers.length }, 'removed containers; the files stay')
    return containers.length
  }

  async #sleep(
    others: readonly { readonly identity: SandboxIdentity; readonly container: ContainerSummary }[],
  ): Promise<number> {
    const candidates = others.filter(
      ({ identity, container: { state } }) => !identity.isAnonymous && (state === 'running' || state === 'paused'),
    )
    const count = await this.#unheld.look(
      candidates.map(({ identity, container }) => ({
        container,
        idleTimeoutMs: this.#deps.idleTimeoutOf(identity.userHash),
      })),
    )
    this.#tell('unheld', count)
    return count
  }

  #tell(found: Reconciled, count: number): void {
    for (let told = 0; told < count; told++) this.#deps.telemetry.reconciled(found)
  }

  async #follow(): Promise<void> {
    const { engine, installation, held } = this.#deps
    for await (const event of engine.events({ [LABEL.installation]: installation }, this.#stop.signal)) {
      if (event.type === 'reconnected' || held.onEvent(event)) this.#schedule.soon()
    }
  }
}

/** Roles of containers that are users' sandboxes, or to become some, or of one call (modes/call-leftovers.ts); all others of an installation help a server with something. */
const OF_USERS: ReadonlySet<string | undefined> = new Set(['sandbox', 'slot', 'call'])
