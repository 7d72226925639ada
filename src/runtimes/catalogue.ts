import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SandboxError } from '../errors/sandbox-error.ts'
import { parseDefinition, type RuntimeDefinition } from './definition.ts'

/** The definitions that come with the package. This file is two levels below the package's root, in src as in dist. */
export const BUILT_IN_DIR = fileURLToPath(new URL('../../runtimes/', import.meta.url))

export interface CatalogueSources {
  /** One folder for each runtime, with a runtime.json that names it. */
  readonly dir?: string
  /** The operator's own definitions, as read from the config file. One with a built-in's name takes its place. */
  readonly custom?: readonly unknown[]
}

/** The runtimes that an operator can name. */
export class Catalogue {
  readonly #definitions: ReadonlyMap<string, RuntimeDefinition>

  private constructor(definitions: ReadonlyMap<string, RuntimeDefinition>) {
    this.#definitions = definitions
  }

  /** The definitions that come with the package. */
  static builtIn(): Catalogue {
    return Catalogue.load()
  }

  /** Reads and checks every definition; `config_invalid` for the first that is wrong. */
  static load({ dir = BUILT_IN_DIR, custom = [] }: CatalogueSources = {}): Catalogue {
    const own = new Map<string, RuntimeDefinition>()
    for (const [index, content] of custom.entries()) {
      const origin = `runtimes[${index}]`
      const definition = parseDefinition(content, origin)
      if (own.has(definition.name)) {
        throw new SandboxError('config_invalid', `${origin}: name: ${JSON.stringify(definition.name)} is defined twice`)
      }
      own.set(definition.name, definition)
    }
    return new Catalogue(new Map([...readBuiltIn(dir), ...own]))
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

function* readBuiltIn(dir: string): Iterable<[string, RuntimeDefinition]> {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const file = join(dir, entry.name, 'runtime.json')
    // Other files and folders lie there too: the schema, the steps of a build.
    if (!existsSync(file)) continue
    const definition = parseDefinition(readJson(file), file)
    if (definition.name !== entry.name) {
      throw new SandboxError('config_invalid', `${file}: name: must be its folder's, ${JSON.stringify(entry.name)}`)
    }
    yield [definition.name, definition]
  }
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new SandboxError('config_invalid', `${file} cannot be read as JSON.`, { cause })
  }
}
