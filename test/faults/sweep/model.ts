/** Content of a file, or null where there is none. */
export type Content = string | null

/** What one call does to the workspace, by path. */
export type Change = Readonly<Record<string, Content>>

/**
 * What the workspace may look like: each file as the answered calls left it, or, of the one call that was cut off, as that call would have left it.
 * Nothing else is allowed: no third content, no file that nobody wrote.
 */
export class WorkspaceModel {
  readonly #files = new Map<string, Content>()
  #pending: Change = {}

  /** A call that makes this change is about to be sent. */
  begin(change: Change): void {
    this.#pending = change
  }

  /** It was answered: the change is certain. */
  succeed(): void {
    for (const [path, content] of Object.entries(this.#pending)) this.#files.set(path, content)
    this.#pending = {}
  }

  /** The file as far as it is certain. */
  certain(path: string): string {
    return this.#files.get(path) ?? ''
  }

  /** True while a call is out whose effect is open. */
  get isOpen(): boolean {
    return Object.keys(this.#pending).length > 0
  }

  /** Every path that there may be, with each content that it may have. */
  allowed(): ReadonlyMap<string, readonly Content[]> {
    const paths = new Set([...this.#files.keys(), ...Object.keys(this.#pending)])
    return new Map(
      [...paths].map((path) => {
        const now = this.#files.get(path) ?? null
        const next = this.#pending[path]
        return [path, next === undefined ? [now] : [now, next]]
      }),
    )
  }

  /** Every path that certainly exists, gone: what a removal of all would do. */
  allGone(): Change {
    return Object.fromEntries([...this.#files.keys()].map((path) => [path, null]))
  }
}
