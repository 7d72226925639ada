import { setTimeout as delay } from 'node:timers/promises'
import type { SandboxError } from '../../errors/sandbox-error.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Telemetry } from '../../lib/telemetry.ts'
import { formatBytes } from '../../lib/units.ts'
import type { Space } from '../../sandbox/space.ts'
import type { SupervisorClient } from '../../supervisor/client.ts'
import { ConnectionLost, WireError } from '../../supervisor/errors.ts'
import type { DiskFloor, DiskState } from './disk-floor.ts'
import type { WorkspaceLimits } from './limits.ts'
import { type Measured, measureWorkspace } from './measure.ts'
import { overrun } from './overrun.ts'

export interface QuotaDeps {
  readonly limits: WorkspaceLimits
  readonly floor: DiskFloor
  /** Resolves when the floor knows how full the disk is now. */
  readonly lookAtDisk: () => Promise<void>
  /** The way to the sandbox while it is there anyway: nothing is started or woken to be measured. */
  readonly present: () => SupervisorClient | undefined
  readonly telemetry: Telemetry
  readonly logger: Logger
  /** Milliseconds between two looks at a workspace that is over its limit; in tests another. */
  readonly pursueMs?: number
}

/** A walk may take this part of the time of a sandbox that comes near its limit, and of one that was only not looked at for long. */
const NEAR_FACTOR = 20
const REFRESH_FACTOR = 100
/** Others who delete hide from the disk's own count what one writes: so a workspace is looked at anew after so long, in milliseconds. */
const REFRESH_MS = 60_000
const PURSUE_MS = 500
/** What a command may still write beyond the limit between two looks and not be taken for one that goes on growing. */
const GROWTH_BYTES = 1024 ** 2
const GROWTH_FILES = 1000
/** Between SIGTERM and SIGKILL, in milliseconds. */
const GRACE_MS = 1000
/** Commands of which it is remembered why they were ended: as many as a supervisor remembers. */
const MAX_REASONS = 128
/** A file system is a little smaller, or in its blocks a little larger, than what it was made for. */
const OWN_FS_SLACK = 1.02

/**
 * What one user's workspace holds, as far as this server knows, and what follows from it. Where the volume has a size of its own the
 * kernel holds the limit, and this does nothing. Elsewhere it is a watchdog: tools that write are refused beyond the limit, and a
 * command that goes on growing the workspace is ended. What a command writes between two looks is not prevented.
 */
export class WorkspaceQuota implements Space {
  readonly #deps: QuotaDeps
  #known: Measured | undefined
  /** Written by tools since. */
  #wroteBytes = 0
  #measuring: Promise<void> | undefined
  #isPursued = false
  readonly #reasons = new Map<string, string>()

  constructor(deps: QuotaDeps) {
    this.#deps = deps
  }

  get allowedBytes(): number | undefined {
    return this.#deps.limits.bytes || undefined
  }

  get allowedFiles(): number | undefined {
    return this.#deps.limits.files || undefined
  }

  /** The way to the sandbox, while it is there. */
  get present(): SupervisorClient | undefined {
    return this.#deps.present()
  }

  /** True where the workspace is a file system of its own, or has a project quota, of no more than the limit: statfs(2) says so. */
  get isHeldByKernel(): boolean {
    const { bytes } = this.#deps.limits
    return this.#known !== undefined && bytes > 0 && this.#known.fsBytes <= bytes * OWN_FS_SLACK
  }

  async require(bytes: number, signal?: AbortSignal): Promise<void> {
    const { floor, telemetry } = this.#deps
    if (floor.isReached) {
      await this.#deps.lookAtDisk()
      if (floor.isReached) telemetry.roomRefused('engine_disk')
      floor.check()
    }
    if (!this.#overrun(bytes)) return
    // What is under way may have begun before something was deleted.
    await this.#measuring
    if (!this.#overrun(bytes)) return
    await this.#measure()
    signal?.throwIfAborted()
    const fault = this.#overrun(bytes)
    if (!fault) return
    telemetry.roomRefused('workspace')
    throw fault
  }

  wrote(bytes: number): void {
    this.#wroteBytes += bytes
  }

  whyEnded(commandId: string): string | undefined {
    return this.#reasons.get(commandId)
  }

  /** Whether the workspace must be looked at now: it could be over its limit, for all that the disk tells, or was not looked at for long. */
  isDue(disk: DiskState | undefined, nowMs: number): boolean {
    const { limits } = this.#deps
    if (this.#measuring || !this.#isWatched) return false
    const known = this.#known
    if (!known) return true
    const ageMs = nowMs - known.atMs
    if (ageMs < known.tookMs * NEAR_FACTOR) return false
    if (this.#overrun(0)) return true
    if (!disk) return ageMs > Math.max(REFRESH_MS, known.tookMs * REFRESH_FACTOR)
    // Everything that was written on the disk since may have been written here.
    const bytes = known.bytes + known.fsFreeBytes - disk.freeBytes
    const files = known.entries + known.fsFreeInodes - disk.freeInodes
    if ((limits.bytes > 0 && bytes > limits.bytes) || (limits.files > 0 && files > limits.files)) return true
    const isQuiet = disk.freeBytes === known.fsFreeBytes && disk.freeInodes === known.fsFreeInodes
    return !isQuiet && ageMs > Math.max(REFRESH_MS, known.tookMs * REFRESH_FACTOR)
  }

  /** Looks at the workspace; one that is over its limit, and goes on growing, loses its commands. Never rejects. */
  async look(): Promise<void> {
    const { logger } = this.#deps
    try {
      await this.#measure()
      if (this.#overrun(0) && !this.#isPursued) {
        this.#isPursued = true
        await this.#pursue().finally(() => (this.#isPursued = false))
      }
    } catch (error) {
      if (error instanceof ConnectionLost || error instanceof WireError) return
      logger.error({ err: error }, 'a workspace could not be measured')
    }
  }

  get #isWatched(): boolean {
    const { limits } = this.#deps
    return (limits.bytes > 0 || limits.files > 0) && !this.isHeldByKernel
  }

  /** Of what is known; an unknown workspace is given the benefit of the doubt until the first look. */
  #overrun(moreBytes: number): SandboxError | undefined {
    const known = this.#known
    if (!known || !this.#isWatched) return undefined
    return overrun({ ...known, bytes: known.bytes + this.#wroteBytes }, this.#deps.limits, moreBytes)
  }

  #measure(): Promise<void> {
    this.#measuring ??= this.#measureNow().finally(() => (this.#measuring = undefined))
    return this.#measuring
  }

  async #measureNow(): Promise<void> {
    const { limits, telemetry } = this.#deps
    const client = this.present
    if (!client) return
    const writtenBefore = this.#wroteBytes
    const measured = await measureWorkspace(client, limits)
    if (!measured) return
    this.#known = measured
    this.#wroteBytes -= writtenBefore
    telemetry.workspaceMeasured(this.#overrun(0) ? 'over' : 'within', measured.tookMs)
  }

  async #pursue(): Promise<void> {
    const { pursueMs = PURSUE_MS } = this.#deps
    for (let rounds = 0; ; rounds++) {
      const before = this.#known
      await delay(pursueMs, undefined, { ref: false })
      const client = this.present
      await this.#measure()
      const now = this.#known
      if (!client || !before || !now || now === before || !this.#overrun(0)) return
      if (now.bytes - before.bytes < GROWTH_BYTES && now.entries - before.entries < GROWTH_FILES) return
      await this.#end(client, now, rounds > 0)
    }
  }

  /** Ends what runs: nobody can tell which of the commands it is that writes. */
  async #end(client: SupervisorClient, now: Measured, all: boolean): Promise<void> {
    const { limits, logger, telemetry } = this.#deps
    const commands = (await client.commands()).filter(({ status, leftRunning }) => status === 'running' || leftRunning)
    for (const { id, status } of commands) if (status === 'running') this.#remember(id, reason(now, limits))
    logger.warn(
      { bytes: now.bytes, files: now.entries, commands: commands.length, all },
      'commands ended: the workspace grows beyond its limit',
    )
    telemetry.overrunEnded(commands.length)
    // One that has left all its traces, or belongs to an install, is in no list.
    if (all) await client.killAll()
    else await Promise.all(commands.map(({ id }) => client.cancel(id, GRACE_MS).catch(ignoreEnded)))
  }

  #remember(id: string, text: string): void {
    this.#reasons.set(id, text)
    for (const oldest of this.#reasons.keys()) {
      if (this.#reasons.size <= MAX_REASONS) break
      this.#reasons.delete(oldest)
    }
  }
}

function reason({ bytes, entries }: Measured, limits: WorkspaceLimits): string {
  const isBytes = limits.bytes > 0 && bytes > limits.bytes
  const grown = isBytes
    ? `${formatBytes(bytes)} of ${formatBytes(limits.bytes)}`
    : `${entries} of ${limits.files} files`
  return `ended: it went on writing while the workspace was over its limit (${grown}); delete what is not needed`
}

/** It has ended meanwhile. */
function ignoreEnded(error: unknown): void {
  if (!(error instanceof WireError)) throw error
}
