/** What an {@link Ending} gives when it came first. */
export const ENDED = Symbol('ended')

/**
 * The end of something, to be raced against many promises that come and go. Unlike Promise.race with one lasting promise, which keeps the
 * values of all the others for as long as that one is pending (each race leaves a reaction on it), this keeps nothing: a stream of
 * any length passes in constant memory.
 */
export class Ending {
  #hasEnded = false
  #onEnd: (() => void) | undefined

  /** `ended`: settles, well or not, when it is over. */
  constructor(ended: Promise<unknown>) {
    const end = () => {
      this.#hasEnded = true
      this.#onEnd?.()
    }
    ended.then(end, end)
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** What `promise` gives, or ENDED if the end comes first. One at a time: the race before is decided by its own promise alone then. */
  or<T>(promise: Promise<T>): Promise<T | typeof ENDED> {
    return new Promise((resolve, reject) => {
      this.#onEnd = () => resolve(ENDED)
      if (this.#hasEnded) this.#onEnd()
      promise.then(resolve, reject)
    })
  }
}
