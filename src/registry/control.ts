import type { Engine } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { ControlOptions, SandboxControl, Snapshot } from '../sandbox/control.ts'
import type { SandboxIdentity } from './identity.ts'
import type { SandboxLease } from './lease.ts'
import { MODE_RULES, modeRefuses } from './modes/mode-rules.ts'
import type { ModeName } from './modes/mode.ts'
import { removeChoice, writeChoice } from './runtime-choice.ts'
import type { SnapshotKeeper } from './snapshot-keeper.ts'
import { removeContainer, removeEverything, removeWorkspace } from './take-down.ts'

export interface ControlDeps {
  readonly engine: Engine
  readonly identity: SandboxIdentity
  readonly mode: ModeName
  readonly runtimes: readonly string[]
  /** Sees to it that the image of a runtime is there. */
  readonly prepareRuntime: (name: string, options: ControlOptions) => Promise<unknown>
  /** undefined where nobody keeps any. */
  readonly snapshots: SnapshotKeeper | undefined
  /** Runs `change` while nothing of the user's sandbox is used or started by this server. */
  readonly whileDown: (change: () => Promise<void>, signal?: AbortSignal) => Promise<void>
  /** A lease on the user's sandbox, which is started if need be. */
  readonly acquire: (options: ControlOptions) => Promise<SandboxLease>
  /** Ends all that runs in the sandbox, of which a lease is held. */
  readonly endProcesses: (options: ControlOptions) => Promise<void>
}

/** {@link SandboxControl} of one user. Needs no running sandbox: one that cannot start can be given another runtime. */
export class UserControl implements SandboxControl {
  readonly #deps: ControlDeps

  constructor(deps: ControlDeps) {
    this.#deps = deps
  }

  get runtimes(): readonly string[] {
    return this.#deps.runtimes
  }

  async restart(options: ControlOptions): Promise<string> {
    const { engine, identity, mode, whileDown, endProcesses } = this.#deps
    if (MODE_RULES[mode].restart === 'ends processes') return await this.#start(options, () => endProcesses(options))
    await whileDown(() => removeContainer(engine, identity), options.signal)
    return await this.#start(options)
  }

  async startOver(options: ControlOptions): Promise<string> {
    const { engine, identity, mode, whileDown } = this.#deps
    if (MODE_RULES[mode].reset === 'refused') throw modeRefuses(mode, 'Emptying the workspace')
    await whileDown(() => removeWorkspace(engine, identity), options.signal)
    return await this.#start(options)
  }

  async useRuntime(name: string, options: ControlOptions): Promise<string> {
    const { engine, identity, mode, runtimes, prepareRuntime, whileDown } = this.#deps
    if (!MODE_RULES[mode].runtimes) throw modeRefuses(mode, 'Another runtime')
    if (!runtimes.includes(name)) {
      throw new SandboxError('invalid_argument', `There is no runtime ${JSON.stringify(name.slice(0, 80))}.`, {
        hint: `Known runtimes: ${runtimes.join(', ')}.`,
      })
    }
    // Before the present sandbox goes: an image that cannot be had must cost nobody their processes.
    await prepareRuntime(name, options)
    await whileDown(async () => {
      await writeChoice(engine, identity, name)
      await removeContainer(engine, identity)
    }, options.signal)
    return await this.#start(options)
  }

  async snapshot(name: string | undefined, options: ControlOptions): Promise<Snapshot> {
    return await this.#keeper('A snapshot').take(this.#deps.identity, name, options)
  }

  async snapshots(): Promise<readonly Snapshot[]> {
    return await this.#keeper('A snapshot').list(this.#deps.identity)
  }

  async restoreSnapshot(wanted: string | undefined, options: ControlOptions) {
    const { identity, whileDown } = this.#deps
    const exchange = (change: () => Promise<void>) => whileDown(change, options.signal)
    const snapshot = await this.#keeper('Bringing a snapshot back').restore(identity, wanted, exchange, options)
    return { snapshot, runtime: await this.#start(options) }
  }

  /** Starts the sandbox, if need be, and does `work` to it; gives the name of its runtime. */
  async #start(options: ControlOptions, work?: () => Promise<void>): Promise<string> {
    const lease = await this.#deps.acquire(options)
    try {
      await work?.()
      return lease.sandbox.facts.runtime
    } finally {
      lease.release()
    }
  }

  #keeper(what: string): SnapshotKeeper {
    const { mode } = this.#deps
    if (!MODE_RULES[mode].snapshots) throw modeRefuses(mode, what)
    if (this.#deps.snapshots) return this.#deps.snapshots
    throw new SandboxError('backup_unavailable', 'This server keeps no snapshots.')
  }

  async destroy({ signal }: ControlOptions): Promise<{ readonly filesKept: boolean }> {
    const { engine, identity, mode, whileDown } = this.#deps
    const { destroy } = MODE_RULES[mode]
    if (destroy === 'refused') throw modeRefuses(mode, 'Destroying')
    const keepsFiles = destroy === 'keeps the directory'
    await whileDown(async () => {
      if (!keepsFiles) return await removeEverything(engine, identity)
      await removeContainer(engine, identity)
      await removeChoice(engine, identity)
    }, signal)
    return { filesKept: keepsFiles }
  }
}
