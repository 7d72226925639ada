import { SandboxError } from '../errors/sandbox-error.ts'
import { abortable } from '../lib/abort.ts'

/** How long a caller waits for a start before it is told to come back, in milliseconds: below the 60 s of most MCP clients. */
const START_WAIT_MS = 45_000

export interface StartWaiter {
  /** Ends this caller's waiting. */
  readonly signal?: AbortSignal | undefined
  /** What is being done, for as long as this caller waits. */
  readonly onProgress?: ((text: string) => void) | undefined
}

/** The one start of a sandbox that may be under way. It goes on when a waiter gives up, so that the next call finds it done. */
export class SharedStart<T> {
  readonly #start: (onProgress: (text: string) => void) => Promise<T>
  readonly #onEnd: () => void
  readonly #listeners = new Set<(text: string) => void>()
  #underWay: Promise<T> | undefined
  #isClosed = false

  /** @param onEnd told after each start, before those who wait for it go on, however it ended */
  constructor(start: (onProgress: (text: string) => void) => Promise<T>, onEnd: () => void) {
    this.#start = start
    this.#onEnd = onEnd
  }

  /** The start under way. */
  get underWay(): Promise<T> | undefined {
    return this.#underWay
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Nothing is started any more; who asks is refused. The start under way goes on. */
  close(): void {
    this.#isClosed = true
  }

  /** The start under way, or a new one. Rejects with `cancelled` once it is closed. */
  join(): Promise<T> {
    if (this.#isClosed) return Promise.reject(shuttingDown())
    this.#underWay ??= this.#start((text) => this.#listeners.forEach((listener) => listener(text))).finally(() => {
      this.#underWay = undefined
      this.#onEnd()
    })
    return this.#underWay
  }

  /** The same, for a caller: rejects with the signal's reason, and with `sandbox_starting` when it takes too long. */
  async wait({ signal, onProgress }: StartWaiter): Promise<T> {
    if (onProgress) this.#listeners.add(onProgress)
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<never>((_, reject) => {
      const error = new SandboxError(
        'sandbox_starting',
        'The sandbox is still starting; its image may be in the making.',
      )
      timer = setTimeout(() => reject(error), START_WAIT_MS)
    })
    try {
      return await abortable(Promise.race([this.join(), tooLong]), signal)
    } finally {
      clearTimeout(timer)
      if (onProgress) this.#listeners.delete(onProgress)
    }
  }
}

/** What is told to who comes when nothing is started any more. */
export function shuttingDown(): SandboxError {
  return new SandboxError('cancelled', 'The server is shutting down.')
}
