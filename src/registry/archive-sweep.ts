import type { Engine } from '../engine/engine.ts'
import { codeOf, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import type { Telemetry } from '../lib/telemetry.ts'
import type { Archiver } from './archiver.ts'
import type { SandboxIdentity } from './identity.ts'
import { dueStep } from './ladder.ts'
import { listOwned } from './owned.ts'
import { forgetSleep, noteSleep } from './sleep-note.ts'

export interface ArchiveSweepDeps {
  readonly engine: Engine
  readonly installation: string
  readonly archiver: Archiver
  /** How long a sandbox sleeps before its files are archived, in milliseconds. */
  readonly archiveAfterMs: number
  /** True for a user for whom this server holds or does something. */
  readonly isBusy: (identity: SandboxIdentity) => boolean
  readonly logger: Logger
  readonly telemetry: Telemetry
}

/** An archiving under way. */
interface Archiving {
  readonly wanted: AbortController
  /** Never rejects. */
  readonly done: Promise<void>
}

/** Looked at this often: a fraction of the time, within these bounds, in milliseconds. */
const SWEEP_SHARE = 4
const MIN_SWEEP_MS = 1000
const MAX_SWEEP_MS = 600_000
/** What fails again and again is tried this often in the end, in milliseconds: each try copies all files. */
const MAX_RETRY_MS = 24 * 3_600_000

/**
 * The last step down: archives the files of those who sleep for long, one after the other, again and again until it is stopped. A user who comes
 * back meanwhile waits no longer than it takes to give up.
 */
export class ArchiveSweep {
  readonly #deps: ArchiveSweepDeps
  readonly #archiving = new Map<string, Archiving>()
  /** Whose archiving failed: when it is tried again, and how long that was waited for. In milliseconds of the monotonic clock. */
  readonly #failed = new Map<string, { readonly againAtMs: number; readonly waitMs: number }>()
  readonly #everyMs: number
  readonly #timer: NodeJS.Timeout
  #looking: Promise<void> | undefined
  #isStopped = false

  constructor(deps: ArchiveSweepDeps) {
    this.#deps = deps
    this.#everyMs = Math.min(MAX_SWEEP_MS, Math.max(MIN_SWEEP_MS, deps.archiveAfterMs / SWEEP_SHARE))
    this.#timer = setInterval(() => this.#lookAgain(), this.#everyMs).unref()
  }

  /** Gives up what is under way, and waits for that. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    for (const { wanted } of this.#archiving.values()) wanted.abort(new SandboxError('cancelled', 'The server ends.'))
    await this.#looking
  }

  /** Before anything is started for a user: an archiving of theirs gives up, or is done. */
  async wake(identity: SandboxIdentity): Promise<void> {
    const archiving = this.#archiving.get(identity.userHash)
    archiving?.wanted.abort(new SandboxError('cancelled', 'The user is back.'))
    this.#failed.delete(identity.userHash)
    await archiving?.done
  }

  /** One look. Rejects when the engine does not answer. */
  async look(): Promise<void> {
    const { engine, installation, archiveAfterMs } = this.#deps
    const owned = await listOwned(engine, installation)
    const present = new Set(owned.map(({ owner }) => owner.identity.userHash))
    for (const userHash of this.#failed.keys()) if (!present.has(userHash)) this.#failed.delete(userHash)
    for (const { owner, container, workspace } of owned) {
      const { identity, sleepsSinceMs: since } = owner
      const sleeps = workspace !== undefined && container === undefined && !identity.isAnonymous
      const sleptMs = since === undefined ? undefined : Date.now() - since
      // A time to come is that of a clock that was set back since.
      const isKnown = sleptMs !== undefined && sleptMs >= 0
      if (since !== undefined && !(sleeps && isKnown)) await forgetSleep(engine, identity)
      if (sleeps && !isKnown) await noteSleep(engine, identity, Date.now())
      if (!sleeps || !isKnown) continue
      if (dueStep('evicted', sleptMs, { freeze: 0, evict: 0, archive: archiveAfterMs })) await this.#archive(identity)
    }
  }

  #lookAgain(): void {
    this.#looking ??= this.look()
      .catch((error: unknown) => this.#deps.logger.warn({ err: error }, 'no sandbox could be archived'))
      .finally(() => (this.#looking = undefined))
  }

  async #archive(identity: SandboxIdentity): Promise<void> {
    // From here to the entry in the map there is no other turn, so that a call either was seen, or sees it.
    if (this.#isStopped || this.#deps.isBusy(identity)) return
    if (performance.now() < (this.#failed.get(identity.userHash)?.againAtMs ?? 0)) return
    const wanted = new AbortController()
    const done = this.#work(identity, wanted.signal)
    this.#archiving.set(identity.userHash, { wanted, done })
    await done
    this.#archiving.delete(identity.userHash)
  }

  async #work(identity: SandboxIdentity, signal: AbortSignal): Promise<void> {
    const { engine, archiver, logger, telemetry } = this.#deps
    const started = performance.now()
    let outcome = 'undone'
    try {
      if (await archiver.archive(identity, { signal })) {
        outcome = 'ok'
        this.#failed.delete(identity.userHash)
        await forgetSleep(engine, identity)
        logger.info({ user: identity.userHash }, 'archived; the files are in a backup')
      }
    } catch (error) {
      if (!signal.aborted) {
        outcome = codeOf(error)
        const againInMs = this.#waitLonger(identity)
        const facts = { user: identity.userHash, againInMs, err: error }
        logger.warn(facts, 'archiving failed; the files stay where they are')
      }
    }
    telemetry.sandboxArchived(outcome, performance.now() - started)
  }

  /** Twice as long as after the failure before. Resolves to how long, in milliseconds. */
  #waitLonger({ userHash }: SandboxIdentity): number {
    const before = this.#failed.get(userHash)?.waitMs
    const waitMs = Math.min(MAX_RETRY_MS, before === undefined ? this.#everyMs : before * 2)
    // The look at that time is to find it due.
    this.#failed.set(userHash, { againAtMs: performance.now() + waitMs - this.#everyMs / 2, waitMs })
    return waitMs
  }
}
