import { isSandboxError } from '../errors/sandbox-error.ts'
import { WireError } from '../supervisor/errors.ts'
import type { DiskUsage } from '../supervisor/protocol.ts'
import type { SandboxFacts } from './facts.ts'
import type { Files } from './files.ts'
import { overLink, type SandboxLink } from './link.ts'

/** What a sandbox takes right now. What could not be read is left out. */
export interface SandboxUse {
  readonly uptimeMs: number
  /** Commands that run. */
  readonly running: number
  readonly memoryBytes: number | undefined
  readonly memoryLimitBytes: number | undefined
  readonly oomKills: number
  /** CPU time since the start. */
  readonly cpuMs: number | undefined
  /** Processes and threads, the supervisor's included. */
  readonly processes: number | undefined
  readonly disks: readonly DiskUse[]
}

/** One file system, and, of the workspace's, what the files below it take up. */
export interface DiskUse {
  readonly path: string
  readonly sizeBytes: number
  /** What the user may still write; other sandboxes may write there too. */
  readonly freeBytes: number
  /** What is in it; undefined where it was not counted. */
  readonly content:
    | {
        readonly bytes: number
        /** Files, directories and links. */
        readonly entries: number
        /** False: there is more than was counted. */
        readonly isAll: boolean
      }
    | undefined
}

/** The container's own cgroup: version 2, or the controllers of version 1 (cgroups(7)). */
const CPU_FILES = ['/sys/fs/cgroup/cpu.stat', '/sys/fs/cgroup/cpuacct/cpuacct.usage'] as const
const PIDS_FILES = ['/sys/fs/cgroup/pids.current', '/sys/fs/cgroup/pids/pids.current'] as const
const MAX_FILE_BYTES = 16 * 1024
const TMP = '/tmp'
/** What somebody who asks waits for. */
const WALK = { maxEntries: 2_000_000, maxMs: 5000 }
const NO_WALK = { maxEntries: 0, maxMs: 0 }

/** Measures one sandbox. */
export class UseMeter {
  readonly #link: SandboxLink
  readonly #facts: SandboxFacts
  readonly #files: Files

  constructor(link: SandboxLink, facts: SandboxFacts, files: Files) {
    this.#link = link
    this.#facts = facts
    this.#files = files
  }

  async measure(signal?: AbortSignal): Promise<SandboxUse> {
    // Before anything of our own runs.
    const info = await overLink(this.#link, 'anywhere', signal, (client) => client.info({ signal }))
    const [cpu, pids, disks] = await Promise.all([
      this.#firstOf(CPU_FILES, signal),
      this.#firstOf(PIDS_FILES, signal),
      this.#disks(signal),
    ])
    return {
      uptimeMs: info.uptimeMs,
      running: info.running,
      memoryBytes: info.memoryBytes || undefined,
      memoryLimitBytes: info.memoryLimitBytes || undefined,
      oomKills: info.oomKills,
      cpuMs: cpu === undefined ? undefined : cpuTimeMs(cpu),
      processes: pids === undefined ? undefined : wholeNumber(pids),
      disks,
    }
  }

  /** The content of the first file that is there. */
  async #firstOf(paths: readonly string[], signal: AbortSignal | undefined): Promise<string | undefined> {
    for (const path of paths) {
      try {
        return (await this.#files.readBytes(path, MAX_FILE_BYTES, signal)).data.toString('latin1')
      } catch (error) {
        if (!isSandboxError(error, 'not_found') && !isSandboxError(error, 'permission_denied')) throw error
      }
    }
    return undefined
  }

  /** Of a supervisor that cannot tell, from before an update of the server, nothing. */
  async #disks(signal: AbortSignal | undefined): Promise<DiskUse[]> {
    const { workspace } = this.#facts
    const [inWorkspace, inTmp] = await Promise.all([this.#walk(workspace, signal), this.#look(TMP, signal)])
    return [...(inWorkspace ? [diskUse(workspace, inWorkspace)] : []), ...(inTmp ? [diskUse(TMP, inTmp)] : [])]
  }

  async #walk(path: string, signal: AbortSignal | undefined): Promise<DiskUsage | undefined> {
    try {
      return await this.#look(path, signal, WALK)
    } catch (error) {
      // As many as there may be at once are under way: then without one.
      if (error instanceof WireError && error.code === 'too_many') return await this.#look(path, signal)
      throw error
    }
  }

  #look(path: string, signal: AbortSignal | undefined, bounds = NO_WALK): Promise<DiskUsage | undefined> {
    return overLink(this.#link, 'anywhere', signal, (client) => client.usage(path, bounds, { signal }))
  }
}

function diskUse(path: string, usage: DiskUsage): DiskUse {
  const { bytes, entries, stopped, unseen } = usage
  return {
    path,
    sizeBytes: usage.fsBytes,
    freeBytes: usage.fsFreeBytes,
    content: entries === 0 ? undefined : { bytes, entries, isAll: stopped === undefined && unseen === undefined },
  }
}

/** cpu.stat of version 2 counts microseconds, cpuacct.usage of version 1 nanoseconds. */
export function cpuTimeMs(text: string): number | undefined {
  const microseconds = /^usage_usec (\d{1,15})$/m.exec(text)?.[1]
  if (microseconds !== undefined) return Number(microseconds) / 1000
  const nanoseconds = wholeNumber(text)
  return nanoseconds === undefined ? undefined : nanoseconds / 1e6
}

function wholeNumber(text: string): number | undefined {
  const digits = /^(\d{1,18})\n?$/.exec(text)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
