import { createHash } from 'node:crypto'

/** Where a workspace differs from what it has to hold. */
export interface Difference {
  readonly path: string
  /** lost: it is not there · altered: other bytes · foreign: nobody put it there. */
  readonly how: 'lost' | 'altered' | 'foreign'
}

/** What one user's workspace has to hold, by path below it: changed only when the server has confirmed the change. */
export class ContentModel {
  readonly #files = new Map<string, Buffer>()
  /** Paths of which nobody knows any more what they hold: the change of one ended in a failure, which is counted as such. */
  readonly #unknown = new Set<string>()

  put(path: string, content: Buffer | string): void {
    this.#files.set(path, Buffer.from(content))
  }

  append(path: string, more: Buffer | string): void {
    this.#files.set(path, Buffer.concat([this.#files.get(path) ?? Buffer.alloc(0), Buffer.from(more)]))
  }

  /** From here on the path is not looked at: a change of it has failed, and may have been made or not. */
  giveUp(path: string): void {
    this.#files.delete(path)
    this.#unknown.add(path)
  }

  get(path: string): Buffer | undefined {
    return this.#files.get(path)
  }

  isUnknown(path: string): boolean {
    return this.#unknown.has(path)
  }

  /** Paths in byte order, those below `directory` when it is given. */
  paths(directory = ''): string[] {
    return [...this.#files.keys()].filter((path) => path.startsWith(directory)).toSorted()
  }

  /** Compares with what was found: SHA-256 in hexadecimal digits by path. */
  differences(found: ReadonlyMap<string, string>): Difference[] {
    const wanted = [...this.#files].flatMap(([path, content]): Difference[] => {
      const digest = found.get(path)
      if (digest === undefined) return [{ path, how: 'lost' }]
      return digest === sha256(content) ? [] : [{ path, how: 'altered' }]
    })
    const foreign = [...found.keys()].filter((path) => !this.#files.has(path) && !this.#unknown.has(path))
    return [...wanted, ...foreign.map((path): Difference => ({ path, how: 'foreign' }))]
  }
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

/** What `sha256sum` prints, as a map from path (without "./") to digest. */
export function parseDigests(text: string): Map<string, string> {
  const lines = text.split('\n').filter((line) => line !== '')
  return new Map(
    lines.map((line) => {
      const [, digest = '', path = ''] = /^([0-9a-f]{64}) [ *](?:\.\/)?(.+)$/.exec(line) ?? []
      if (digest === '') throw new Error(`not a line of sha256sum: ${line}`)
      return [path, digest]
    }),
  )
}
