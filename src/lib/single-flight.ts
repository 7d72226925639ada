/** Shares one promise in progress per key. A failure is forgotten, so that the next caller tries again. */
export class SingleFlight<T> {
  readonly #running = new Map<string, Promise<T>>()

  run(key: string, start: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key)
    if (running) return running
    const promise = start().finally(() => this.#running.delete(key))
    this.#running.set(key, promise)
    return promise
  }
}
