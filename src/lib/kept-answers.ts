interface Kept<T> {
  readonly answer: Promise<T>
  readonly atMs: number
}

/**
 * Answers by key that cost something to find out, kept for a while. One that has grown old is still given at once, while a new one is
 * fetched for whoever asks next. A failure is not kept. Holds a bounded number, the oldest goes first.
 */
export class KeptAnswers<T> {
  readonly #kept = new Map<string, Kept<T>>()
  readonly #ask: (key: string) => Promise<T>
  readonly #freshMs: number
  readonly #max: number

  constructor(ask: (key: string) => Promise<T>, { freshMs, max }: { readonly freshMs: number; readonly max: number }) {
    this.#ask = ask
    this.#freshMs = freshMs
    this.#max = max
  }

  of(key: string): Promise<T> {
    const kept = this.#kept.get(key)
    if (!kept) return this.#refresh(key, undefined)
    if (performance.now() - kept.atMs > this.#freshMs) void this.#refresh(key, kept)
    return kept.answer
  }

  /** Until the new answer is there, the old one is given, if there is one. */
  #refresh(key: string, old: Kept<T> | undefined): Promise<T> {
    const answer = this.#ask(key)
    const fresh: Kept<T> = { answer, atMs: performance.now() }
    this.#kept.delete(key)
    this.#kept.set(key, old ? { answer: old.answer, atMs: fresh.atMs } : fresh)
    const stand = this.#kept.get(key)
    answer.then(
      () => this.#replace(key, stand, fresh),
      () => this.#replace(key, stand, undefined),
    )
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#max) break
      this.#kept.delete(oldest)
    }
    return answer
  }

  #replace(key: string, expected: Kept<T> | undefined, by: Kept<T> | undefined): void {
    if (this.#kept.get(key) !== expected) return
    if (by) this.#kept.set(key, by)
    else this.#kept.delete(key)
  }
}
