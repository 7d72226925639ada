import { readFile } from 'node:fs/promises'
import type { Logger } from '../lib/logger.ts'

/** How the memory of this machine stands. */
export interface MemoryReading {
  /** What can be had without swapping (MemAvailable of proc_meminfo(5)). */
  readonly availableBytes: number
  /** Share of the last ten seconds in which every task that could run waited for memory, in percent; undefined where the kernel does not tell (PSI, Documentation/accounting/psi.rst). */
  readonly stalledPercent: number | undefined
}

export interface MemoryWatchDeps {
  /** The next reading; undefined where this machine, or the engine's, cannot be measured. */
  readonly read: () => Promise<MemoryReading | undefined>
  /** Below so many bytes available, sandboxes are put to sleep. 0: never looked at. */
  readonly floorBytes: number
  /** Puts the sandbox to sleep that was idle longest; resolves to whether there was one. */
  readonly evictLongestIdle: () => Promise<boolean>
  readonly logger: Logger
}

const LOOK_EVERY_MS = 2000
/** Tasks that stand still for so much of their time are near the kernel's OOM killer, whatever is nominally available. */
const MAX_STALLED_PERCENT = 20

/**
 * Looks at the machine's memory again and again. Below the floor, or while everything waits for memory, one idle sandbox goes to sleep at
 * each look: what that frees shows at the next. Work in flight is never ended for it.
 */
export class MemoryWatch {
  readonly #deps: MemoryWatchDeps
  #timer: NodeJS.Timeout | undefined
  #isStopped = false
  #isShort = false

  constructor(deps: MemoryWatchDeps) {
    this.#deps = deps
  }

  /** Begins to look. Says once in the log when there is nothing to look at. */
  start(): void {
    if (this.#deps.floorBytes > 0) void this.#look(true)
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  async #look(isFirst: boolean): Promise<void> {
    const { read, logger } = this.#deps
    const reading = await read()
    if (this.#isStopped) return
    if (!reading && isFirst) {
      logger.info(
        {},
        'memory pressure is not watched: the engine is not on this machine, or /proc/meminfo is not there',
      )
      return
    }
    if (reading) await this.#act(reading)
    // Stopped in the meantime.
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.#look(false), LOOK_EVERY_MS).unref()
  }

  async #act(reading: MemoryReading): Promise<void> {
    const { floorBytes, evictLongestIdle, logger } = this.#deps
    const { availableBytes, stalledPercent = 0 } = reading
    const isShort = availableBytes < floorBytes || stalledPercent > MAX_STALLED_PERCENT
    if (isShort && !this.#isShort) {
      logger.warn({ availableBytes, floorBytes, stalledPercent }, 'memory is short: idle sandboxes go to sleep')
    }
    this.#isShort = isShort
    if (isShort) await evictLongestIdle()
  }
}

/** Reads /proc; undefined on a system without it. */
export async function readMemory(): Promise<MemoryReading | undefined> {
  const [meminfo, pressure] = await Promise.all([textOf('/proc/meminfo'), textOf('/proc/pressure/memory')])
  const availableBytes = meminfo === undefined ? undefined : availableOf(meminfo)
  if (availableBytes === undefined) return undefined
  return { availableBytes, stalledPercent: pressure === undefined ? undefined : stalledOf(pressure) }
}

/** MemAvailable of /proc/meminfo, in bytes. */
export function availableOf(meminfo: string): number | undefined {
  const kilobytes = /^MemAvailable:\s+(\d{1,15}) kB$/m.exec(meminfo)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

/** avg10 of the line "full" of /proc/pressure/memory. */
export function stalledOf(pressure: string): number | undefined {
  const percent = /^full avg10=(\d{1,3}\.\d{1,4}) /m.exec(pressure)?.[1]
  return percent === undefined ? undefined : Number(percent)
}

/** A kernel without the file, or with PSI switched off (EOPNOTSUPP), has nothing to tell. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}
