import { isSandboxError } from '../errors/sandbox-error.ts'
import type { Commands } from './commands.ts'
import type { SandboxFacts } from './facts.ts'
import type { Files } from './files.ts'
import { overLink, type SandboxLink } from './link.ts'
import { isMissingProgram } from './wire-faults.ts'

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

export interface DiskUse {
  readonly path: string
  readonly sizeBytes: number
  /** What the user may still write; other sandboxes may write there too. */
  readonly freeBytes: number
}

/** The container's own cgroup: version 2, or the controllers of version 1 (cgroups(7)). */
const CPU_FILES = ['/sys/fs/cgroup/cpu.stat', '/sys/fs/cgroup/cpuacct/cpuacct.usage'] as const
const PIDS_FILES = ['/sys/fs/cgroup/pids.current', '/sys/fs/cgroup/pids/pids.current'] as const
const MAX_FILE_BYTES = 16 * 1024
const TMP = '/tmp'
const DF_TIMEOUT_MS = 5000

/** Measures one sandbox. */
export class UseMeter {
  readonly #link: SandboxLink
  readonly #facts: SandboxFacts
  readonly #files: Files
  readonly #commands: Commands

  constructor(link: SandboxLink, facts: SandboxFacts, files: Files, commands: Commands) {
    this.#link = link
    this.#facts = facts
    this.#files = files
    this.#commands = commands
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

  async #disks(signal: AbortSignal | undefined): Promise<DiskUse[]> {
    const paths = [this.#facts.workspace, TMP]
    const spec = { timeoutMs: DF_TIMEOUT_MS, waitMs: DF_TIMEOUT_MS * 2, maxOutputBytes: MAX_FILE_BYTES, private: true }
    try {
      const { stdout } = await this.#commands.run({ ...spec, command: ['df', '-kP', ...paths] }, { signal })
      return parseDf(stdout.head.toString('latin1'), paths)
    } catch (error) {
      if (isMissingProgram(error)) return []
      throw error
    }
  }
}

/** Reads `df -kP` (POSIX): a heading, then a line for each path: file system, size, used, free, share, mount point. */
export function parseDf(output: string, paths: readonly string[]): DiskUse[] {
  const lines = output.split('\n').slice(1)
  return paths.flatMap((path, at) => {
    const [, size, free] = /^.*?\s(\d{1,12})\s+\d{1,12}\s+(\d{1,12})\s+\S+\s/.exec(lines[at] ?? '') ?? []
    if (size === undefined || free === undefined) return []
    return [{ path, sizeBytes: Number(size) * 1024, freeBytes: Number(free) * 1024 }]
  })
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
