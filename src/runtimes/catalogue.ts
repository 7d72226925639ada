import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SandboxError } from '../errors/sandbox-error.ts'
import { parseDefinition, type RuntimeDefinition } from './definition.ts'

/** Folder of the definitions that come with the package. This file is two levels below the package's root, in src as in dist. */
export const BUILT_IN_DIR = fileURLToPath(new URL('../../runtimes/', import.meta.url))

/** The runtimes that an operator can name. */
export class Catalogue {
  readonly #definitions: ReadonlyMap<string, RuntimeDefinition>

  private constructor(definitions: ReadonlyMap<string, RuntimeDefinition>) {
    this.#definitions = definitions
  }

  /** The definitions that come with the package. */
  static builtIn(): Catalogue {
    return Catalogue.load([BUILT_IN_DIR])
  }

  /**
   * Reads and checks every `<name>/runtime.json` in these folders, then `custom` definitions of the same form; a later one of a name
   * takes the place of an earlier one. `config_invalid` for the first that is wrong.
   */
  static load(dirs: readonly string[], custom: readonly unknown[] = []): Catalogue {
    const fromFolders = dirs.flatMap((dir) => [...readDefinitions(dir)])
    const fromSettings = custom.map((content, index): [string, RuntimeDefinition] => {
      const definition = parseDefinition(content, `customRuntimes[${index}]`)
      return [definition.name, definition]
    })
    return new Catalogue(new Map([...fromFolders, ...fromSettings]))
  }

  /** In alphabetical order. */
  get names(): readonly string[] {
    return [...this.#definitions.keys()].toSorted()
  }

  /** `invalid_argument` naming the known ones when there is none of that name. */
  get(name: string): RuntimeDefinition {
    const definition = this.#definitions.get(name)
    if (definition) return definition
    throw new SandboxError('invalid_argument', `There is no runtime ${JSON.stringify(name)}.`, {
      hint: `Known runtimes: ${this.names.join(', ')}.`,
    })
  }
}

function* readDefinitions(dir: string): Iterable<[string, RuntimeDefinition]> {
  for (const entry of listFolder(dir)) {
    const file = join(dir, entry, 'runtime.json')
    // Other files and folders lie beside the definitions: the schema, the steps of a build.
    if (!existsSync(file)) continue
    const definition = parseDefinition(readJson(file), file)
    if (definition.name !== entry) {
      throw new SandboxError('config_invalid', `${file}: name: must be its folder's, ${JSON.stringify(entry)}`)
    }
    yield [definition.name, definition]
  }
}

function listFolder(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch (cause) {
    throw new SandboxError('config_invalid', `The folder of runtimes ${dir} cannot be read.`, { cause })
  }
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new SandboxError('config_invalid', `${file} cannot be read as JSON.`, { cause })
  }
}
