import type { ConnectionLost } from '../../supervisor/errors.ts'
import { bridgeExitCode } from '../connect.ts'

/** So many within so many milliseconds are no accident. */
const MANY = 3
const WINDOW_MS = 60_000

/**
 * Counts the ends of a sandbox's connections that come from inside it: its bridge was killed, by the kernel for want of memory, for
 * instance. What is cut on the way (an engine that restarts, a tunnel to it) is not counted: it says nothing about the sandbox. Nor does the end of a
 * container, which kills its bridges, too, say anything about the one that comes after: another server may evict the user's again and again.
 */
export class Cuts {
  readonly #now: () => number
  #container: string | undefined
  #atMs: number[] = []

  /** @param now a clock that only goes forward, in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  note(container: string, error: ConnectionLost): void {
    if (bridgeExitCode(error) === undefined) return
    if (container !== this.#container) this.forget()
    this.#container = container
    this.#atMs = [...this.#atMs, this.#now()].slice(-MANY)
  }

  /** The container that is not fit to be used as it is. */
  get unfit(): string | undefined {
    const [first] = this.#atMs
    const areMany = this.#atMs.length === MANY && first !== undefined && this.#now() - first < WINDOW_MS
    return areMany ? this.#container : undefined
  }

  /** It was helped, or there is another one. */
  forget(): void {
    this.#atMs = []
  }
}
