/** Remembers since when this server has seen containers in some state, by its own clock: those of engines and other servers may differ. */
export class FirstSeen {
  readonly #now: () => number
  readonly #sinceMs = new Map<string, number>()

  /** @param now a clock that only goes forward, in milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Takes note of all that are so now, and forgets the others. */
  update(ids: Iterable<string>): void {
    const present = new Set(ids)
    for (const id of this.#sinceMs.keys()) if (!present.has(id)) this.#sinceMs.delete(id)
    for (const id of present) if (!this.#sinceMs.has(id)) this.#sinceMs.set(id, this.#now())
  }

  /** For how long, in milliseconds; 0 for one that was not seen. */
  ageMs(id: string): number {
    return this.#now() - (this.#sinceMs.get(id) ?? this.#now())
  }
}
