import { SandboxError } from '../../errors/sandbox-error.ts'
import { formatBytes } from '../../lib/units.ts'

/** How full a file system is. */
export interface DiskState {
  readonly bytes: number
  readonly freeBytes: number
  /** 0: the file system does not count them. */
  readonly inodes: number
  readonly freeInodes: number
}

/** Below this share of free inodes no more files are made either, whatever the bytes say. */
const LEAST_INODES_SHARE = 0.01

/**
 * What is left on the engine's disk, and how little may be left before users' writes are refused. One user who fills it would stop all of them, the
 * engine and perhaps the machine; and when it is full not even a log line says so.
 */
export class DiskFloor {
  readonly #leastBytes: number
  #state: DiskState | undefined

  /** `leastBytes` 0: no floor. */
  constructor(leastBytes: number) {
    this.#leastBytes = leastBytes
  }

  /** As it was seen last; undefined while nobody has looked. */
  get state(): DiskState | undefined {
    return this.#state
  }

  /** Takes what somebody has just seen. */
  note(state: DiskState): void {
    this.#state = state
  }

  get isReached(): boolean {
    return this.#state !== undefined && this.#leastBytes > 0 && isBelow(this.#state, this.#leastBytes)
  }

  /** `engine_disk_full` when so little is left that nobody may write. */
  check(): void {
    if (!this.isReached || this.#state === undefined) return
    const { freeBytes } = this.#state
    throw new SandboxError(
      'engine_disk_full',
      `The machine that holds all sandboxes has ${formatBytes(freeBytes)} of disk left; ${formatBytes(this.#leastBytes)} are kept free.`,
      { details: { ...this.#state } },
    )
  }
}

/** Whether so little is left that users' writes are refused. */
export function isBelow({ freeBytes, inodes, freeInodes }: DiskState, leastBytes: number): boolean {
  return freeBytes < leastBytes || (inodes > 0 && freeInodes < inodes * LEAST_INODES_SHARE)
}
