/** Runs tasks of the same kind beside each other, a bounded number at once. After a failure no more are started. */
export class TaskGroup {
  readonly #atOnce: number
  readonly #running = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(atOnce: number) {
    this.#atOnce = atOnce
  }

  /** Starts a task as soon as there is room for it. Rejects with the first failure of an earlier one, instead. */
  async add(task: () => Promise<unknown>): Promise<void> {
    while (this.#running.size >= this.#atOnce) await Promise.race(this.#running)
    this.#throwFailure()
    const run: Promise<void> = task()
      .then(
        () => {},
        (error: unknown) => void (this.#failure ??= { error }),
      )
      .finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  /** Resolves when nothing runs any more, however it ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#running)
  }

  /** As settled; rejects with the first failure. */
  async done(): Promise<void> {
    await this.settled()
    this.#throwFailure()
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error
  }
}
