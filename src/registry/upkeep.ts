import type { EvictionReason, Telemetry } from '../lib/telemetry.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { AnonymousLeftovers } from './anonymous-leftovers.ts'
import type { AnonymousUsers } from './anonymous-users.ts'
import { ArchiveSweep } from './archive-sweep.ts'
import type { Entries, Entry } from './entries.ts'
import { FrozenLeftovers } from './frozen-leftovers.ts'
import { identityOf, type SandboxIdentity } from './identity.ts'
import { IdleSweep } from './idle-sweep.ts'
import { MemoryWatch } from './memory-watch.ts'
import { CallLeftovers } from './modes/call-leftovers.ts'
import type { Pool } from './pool/pool.ts'
import { SlotLeftovers } from './pool/slot-leftovers.ts'
import { QuotaWatch } from './quota/quota-watch.ts'
import { HeldSandboxes } from './reconcile/held.ts'
import { type LookReport, Reconciler } from './reconcile/reconciler.ts'
import type { RegistryDeps } from './registry-deps.ts'
import type { Room } from './room.ts'

export interface UpkeepDeps extends RegistryDeps {
  readonly telemetry: Telemetry
  readonly entries: Entries
  readonly room: Room
  readonly pool: Pool
  readonly anonymous: AnonymousUsers
  /** Puts one to sleep, or freezes it, if nobody used it for so long; resolves to whether it did. */
  readonly evict: (entry: Entry, minIdleMs: number, reason: EvictionReason) => Promise<boolean>
  readonly freeze: (entry: Entry, minIdleMs: number) => Promise<boolean>
}

/** What is done again and again without anybody's call: steps down the ladder, looks at memory and disk, and at what the engine has beside what is needed. */
export class Upkeep {
  readonly #sweep: IdleSweep
  readonly #memory: MemoryWatch | undefined
  readonly #quotas: QuotaWatch
  readonly #reconciler: Reconciler
  readonly #leftovers: {
    readonly sessions: AnonymousLeftovers
    readonly frozen: FrozenLeftovers
    readonly calls: CallLeftovers
    readonly slots: SlotLeftovers
  }

  constructor(deps: UpkeepDeps) {
    const { engine, installation, profiles, entries, room, pool, anonymous, evict, freeze, logger, telemetry } = deps
    this.#sweep = new IdleSweep({
      entries,
      freezeAfterMs: deps.freezeAfterMs,
      shortestIdleMs: profiles.shortestIdleMs,
      freeze,
      evict: (entry, minIdleMs) => evict(entry, minIdleMs, 'idle'),
      isWanted: (entry) => room.isWaiting(entry),
    })
    this.#quotas = new QuotaWatch({
      quotas: () => [...entries].map(({ quota }) => quota),
      floor: deps.disk.floor,
      localDisk: deps.disk.local,
      logger,
    })
    if (deps.memory) {
      const evictLongestIdle = async () => (await pool.shrink()) || (await room.evictLongestIdle('memory'))
      this.#memory = new MemoryWatch({ ...deps.memory, evictLongestIdle, logger })
      this.#memory.start()
    }
    const holderOf = (id: string) => [...entries].find(({ link }) => link.containerId === id)
    this.#leftovers = {
      sessions: new AnonymousLeftovers({ engine, installation, isOurs: (hash) => anonymous.hasHash(hash), logger }),
      frozen: new FrozenLeftovers({ engine, installation, isOurs: (id) => holderOf(id) !== undefined, logger }),
      calls: new CallLeftovers({ engine, installation, logger }),
      slots: new SlotLeftovers({
        engine,
        installation,
        isOurs: (name) => pool.holds(name),
        userOf: (id) => holderOf(id)?.identity,
        isEmptyVolume: deps.isEmptyVolume,
        logger,
      }),
    }
    this.#reconciler = new Reconciler({
      engine,
      installation,
      held: new HeldSandboxes({
        engine,
        entries,
        telemetry,
        evict: (entry, minIdleMs) => evict(entry, minIdleMs, 'drift'),
        now: () => performance.now(),
      }),
      isBusy: (identity) => {
        const link = entries.find(identity)?.link
        return link !== undefined && (link.isStarting || link.isChanging)
      },
      idleTimeoutOf: idleTimeouts(deps),
      lookForLeftovers: async () => {
        const sessions = await this.lookForLeftovers()
        const slots = await this.lookForSlots()
        await deps.lookForCopies?.()
        return { suspects: sessions.suspects + slots.suspects }
      },
      logger,
      telemetry,
    })
  }

  /** Compares the engine with what is needed, at once and again and again until it is stopped. */
  start(): void {
    this.#reconciler.start()
  }

  /** One such look. Rejects when the engine does not answer. */
  look(): Promise<LookReport> {
    return this.#reconciler.look()
  }

  /** Begins nothing more. */
  stop(): void {
    this.#reconciler.stop()
    this.#sweep.stop()
    this.#memory?.stop()
    this.#quotas.stop()
  }

  /** Looks at the engine's disk now, and at workspaces that may have outgrown their limit. */
  lookAtDisk(): Promise<void> {
    return this.#quotas.look()
  }

  /** Looks for what servers that were killed left behind: see {@link AnonymousLeftovers}, {@link FrozenLeftovers} and {@link CallLeftovers}. */
  async lookForLeftovers(): Promise<{ readonly removed: number; readonly thawed: number; readonly suspects: number }> {
    const { sessions, frozen, calls } = this.#leftovers
    const ofSessions = await sessions.look()
    const ofFrozen = await frozen.look()
    const ofCalls = await calls.look()
    return {
      removed: ofSessions.removed + ofCalls.removed,
      thawed: ofFrozen.thawed,
      suspects: ofSessions.suspects + ofFrozen.suspects + ofCalls.suspects,
    }
  }

  /** As {@link lookForLeftovers}, for the sandboxes that such servers kept for new users: see {@link SlotLeftovers}. */
  lookForSlots(): Promise<{ readonly removed: number; readonly suspects: number }> {
    return this.#leftovers.slots.look()
  }
}

/** The last step down, where the operator wants it. Fails with `config_invalid` when there is no place for what it archives. */
export function archivesOf(
  { engine, installation, archiver, archiveAfterMs, logger }: RegistryDeps,
  telemetry: Telemetry,
  isBusy: (identity: SandboxIdentity) => boolean,
): ArchiveSweep | undefined {
  if (archiveAfterMs === 0) return undefined
  if (!archiver) {
    throw new SandboxError('config_invalid', 'archiveAfter: there is no place for backups, so nothing can be archived.')
  }
  return new ArchiveSweep({ engine, installation, archiver, archiveAfterMs, isBusy, logger, telemetry })
}

/** The idle timeout of a user of whom only the hash is known, in milliseconds. */
function idleTimeouts({ installation, profiles }: RegistryDeps): (userHash: string) => number {
  const named = new Map(
    profiles.named.map((user) => [identityOf(installation, user).userHash, profiles.of(user).idleTimeoutMs]),
  )
  // Of somebody about whom nothing is said: no user's name is empty.
  const usualMs = profiles.of('').idleTimeoutMs
  return (userHash) => named.get(userHash) ?? usualMs
}
