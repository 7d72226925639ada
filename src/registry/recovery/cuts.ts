import type { ConnectionLost } from '../../supervisor/errors.ts'
import { bridgeExitCode } from '../connect.ts'

/** So many within so many milliseconds are no accident. */
const MANY = 3
const WINDOW_MS = 60_000

/**
 * Counts the ends of a sandbox's connections that come from inside it: its bridge was killed, by the kernel for want of memory, for
 * instance. What is cut on the way (an engine that restarts, a tunnel to it) is not counted: it says nothing about the sandbox.
 */
export class Cuts {
  readonly #now: () => number
  #atMs: number[] = []

  /** @param now a clock that only goes forward, in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  note(error: ConnectionLost): void {
    if (bridgeExitCode(error) === undefined) return
    this.#atMs = [...this.#atMs, this.#now()].slice(-MANY)
  }

  /** True when the sandbox is not fit to be used as it is. */
  get areMany(): boolean {
    const [first] = this.#atMs
    return this.#atMs.length === MANY && first !== undefined && this.#now() - first < WINDOW_MS
  }

  /** The sandbox was helped, or is another one. */
  forget(): void {
    this.#atMs = []
  }
}
