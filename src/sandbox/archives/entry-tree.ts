/** What is at one name: a file, or a directory with what is in it. */
export type EntryNode = 'file' | EntryDirectory
export type EntryDirectory = Map<string, EntryNode>

/** The files and directories of an archive by their paths, each once. Directories that are only implied are in it too. */
export class EntryTree {
  readonly root: EntryDirectory = new Map()
  #size = 0

  /** Files and directories in it. */
  get size(): number {
    return this.#size
  }

  /** Adds an entry. What it cannot be there for is given back in words; a directory may come again. */
  add(path: string, type: 'file' | 'directory'): string | undefined {
    const names = path.split('/')
    const last = names.pop() ?? ''
    const parent = this.#directory(names)
    if (!parent) return 'lies below a file'
    const before = parent.get(last)
    if (before === undefined) this.#put(parent, last, type)
    else if (type === 'file' || before === 'file') return 'is there twice'
    return undefined
  }

  /** The directory of these names, made where it is missing; undefined if one of them is a file. */
  #directory(names: readonly string[]): EntryDirectory | undefined {
    let directory = this.root
    for (const name of names) {
      const next = directory.get(name) ?? this.#put(directory, name, 'directory')
      if (next === 'file') return undefined
      directory = next
    }
    return directory
  }

  #put(parent: EntryDirectory, name: string, type: 'file' | 'directory'): EntryNode {
    const node: EntryNode = type === 'file' ? 'file' : new Map()
    parent.set(name, node)
    this.#size++
    return node
  }
}
