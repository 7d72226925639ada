import { randomUUID } from 'node:crypto'
import type { BuildSpec, ContainerLimits, Engine, ImageDetails, ProgressListener } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { abortable } from '../lib/abort.ts'
import type { Logger } from '../lib/logger.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import { BaseImages } from './base-image.ts'
import { buildContext } from './build-context.ts'
import type { Catalogue } from './catalogue.ts'
import type { BaseChoice, RuntimeDefinition } from './definition.ts'
import { type ImageIngredients, recipeDigest, runtimeDigest, runtimeTag } from './digest.ts'
import { dockerfileOf, FRESH_ARG } from './dockerfile.ts'
import { readSupervisor, type SupervisorBinary } from './supervisor-binary.ts'

/** Labels of a runtime's image. */
export const RUNTIME_LABELS = {
  role: 'sandbox-mcp.role',
  runtime: 'sandbox-mcp.runtime',
  digest: 'sandbox-mcp.digest',
  recipe: 'sandbox-mcp.recipe',
  base: 'sandbox-mcp.base',
} as const
export const RUNTIME_ROLE = 'runtime'

/** A runtime whose image is on the engine. */
export interface ReadyRuntime {
  readonly name: string
  readonly description: string
  /** "sha256:…" */
  readonly imageId: string
  /** SHA-256 in hex of all that the image depends on. */
  readonly digest: string
  readonly tag: string
  readonly sizeBytes: number
  /** The environment of the image: that of its base, with the definition's over it. */
  readonly env: Readonly<Record<string, string>>
  /** What the definition says in place of the server's settings. */
  readonly limits?: Partial<ContainerLimits>
  readonly network?: 'none' | 'bridge'
  readonly ociRuntime?: string
  readonly workDir: string
}

export interface RuntimeImagesOptions {
  readonly engine: Engine
  readonly catalogue: Catalogue
  readonly logger: Logger
  /** See {@link BaseImages}. */
  readonly imageMirrors?: readonly string[]
  /** Folder of the supervisor binaries, when not the package's own. */
  readonly supervisorDir?: string
  /** Network of the steps of a build. */
  readonly buildNetwork?: NonNullable<BuildSpec['network']>
}

export interface EnsureOptions {
  /** Gives up waiting; the build goes on for others, and for the next call. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ProgressListener | undefined
}

/** Sees to it that the image of a runtime exists, and is the one that its definition, base and supervisor make today. */
export class RuntimeImages {
  readonly #options: RuntimeImagesOptions
  readonly #bases: BaseImages
  readonly #ready = new Map<string, ReadyRuntime>()
  readonly #flights = new SingleFlight<ReadyRuntime>()
  #platform: Promise<string> | undefined

  constructor(options: RuntimeImagesOptions) {
    this.#options = options
    const { engine, logger, imageMirrors: mirrors = [] } = options
    this.#bases = new BaseImages({ engine, logger, mirrors })
  }

  /** `invalid_argument` when there is no such runtime. */
  definition(name: string): RuntimeDefinition {
    return this.#options.catalogue.get(name)
  }

  /**
   * The runtime's image, built if it is missing; a later call costs nothing. Concurrent calls share one build. Fails with
   * `image_unavailable` naming the step, with its last lines in `details.log`; nothing is left that a later call would take for
   * the image.
   */
  async ensure(name: string, { signal, onProgress }: EnsureOptions = {}): Promise<ReadyRuntime> {
    const known = this.#ready.get(name)
    if (known) return known
    const definition = this.definition(name)
    const flight = this.#flights.run(name, async () => {
      const ready =
        (definition.cacheImage ? await this.#find(definition) : undefined) ??
        (await this.#build(definition, onProgress))
      this.#ready.set(name, ready)
      return ready
    })
    return await abortable(flight, signal)
  }

  /** The runtime's image when the engine has it. Neither builds nor asks a registry. */
  async find(name: string): Promise<ReadyRuntime | undefined> {
    const definition = this.definition(name)
    return this.#ready.get(name) ?? (await this.#find(definition))
  }

  /** Forgets what is known of a runtime's image: for when the engine says that the image is gone. */
  forget(name: string): void {
    this.#ready.delete(name)
  }

  async #find(definition: RuntimeDefinition): Promise<ReadyRuntime | undefined> {
    const { engine } = this.#options
    const base = await this.#bases.find(definition)
    if (base) {
      const digest = runtimeDigest((await this.#plan(definition, base.choice)).ingredients, base.image.id)
      const image = await engine.images.inspect(runtimeTag(definition.name, digest))
      return image?.labels[RUNTIME_LABELS.digest] === digest ? readyRuntime(definition, image, digest) : undefined
    }
    // Brought to this engine without its base (`docker load`): the recipe without the base has to do.
    for (const choice of definition.fallback ? [definition.base, definition.fallback] : [definition.base]) {
      const recipe = recipeDigest((await this.#plan(definition, choice)).ingredients)
      const [image] = await engine.images.list({
        [RUNTIME_LABELS.role]: RUNTIME_ROLE,
        [RUNTIME_LABELS.recipe]: recipe,
      })
      const digest = image?.labels[RUNTIME_LABELS.digest]
      if (image && digest !== undefined) return readyRuntime(definition, image, digest)
    }
    return undefined
  }

  async #build(definition: RuntimeDefinition, onProgress: ProgressListener | undefined): Promise<ReadyRuntime> {
    const { engine, logger, buildNetwork } = this.#options
    const base = await this.#bases.ensure(definition, onProgress)
    const { ingredients, supervisor } = await this.#plan(definition, base.choice)
    const digest = runtimeDigest(ingredients, base.image.id)
    // By a name that follows from the id: a tag of the registry may move while the build runs.
    const from = `sandbox-mcp/from:${base.image.id.replace('sha256:', '').slice(0, 16)}`
    await engine.images.tag(base.image.id, from)
    const tag = runtimeTag(definition.name, digest)
    const startedAt = performance.now()
    logger.info({ runtime: definition.name, tag, base: base.choice.reference }, 'building the image of the runtime')
    const image = await engine.images.build(
      buildContext(dockerfileOf(definition, from, base.choice.packages), supervisor.content),
      {
        tag,
        labels: {
          [RUNTIME_LABELS.role]: RUNTIME_ROLE,
          [RUNTIME_LABELS.runtime]: definition.name,
          [RUNTIME_LABELS.digest]: digest,
          [RUNTIME_LABELS.recipe]: recipeDigest(ingredients),
          [RUNTIME_LABELS.base]: base.image.id,
        },
        ...(!definition.cacheImage && { buildArgs: { [FRESH_ARG]: randomUUID() } }),
        ...(buildNetwork !== undefined && { network: buildNetwork }),
      },
      onProgress && { onProgress },
    )
    logger.info(
      { runtime: definition.name, tag, ms: Math.round(performance.now() - startedAt) },
      'the image of the runtime is built',
    )
    return readyRuntime(definition, image, digest)
  }

  async #plan(definition: RuntimeDefinition, choice: BaseChoice): Promise<Plan> {
    const platform = await this.#enginePlatform()
    const supervisor = await readSupervisor(platform, this.#options.supervisorDir)
    const steps = dockerfileOf(definition, 'scratch', choice.packages)
    return {
      supervisor,
      ingredients: { name: definition.name, steps, supervisorSha256: supervisor.sha256, platform },
    }
  }

  /** Asked once; a failure is forgotten, so that the next call asks again. */
  #enginePlatform(): Promise<string> {
    this.#platform ??= this.#options.engine.info().then(
      ({ platform }) => platform,
      (error: unknown) => {
        this.#platform = undefined
        throw error
      },
    )
    return this.#platform
  }
}

interface Plan {
  readonly supervisor: SupervisorBinary
  readonly ingredients: ImageIngredients
}

function readyRuntime(definition: RuntimeDefinition, image: ImageDetails, digest: string): ReadyRuntime {
  const { name, description, limits, network, ociRuntime, workDir } = definition
  const tag = runtimeTag(name, digest)
  return {
    name,
    description,
    imageId: image.id,
    digest,
    tag: image.tags.includes(tag) ? tag : (image.tags[0] ?? tag),
    sizeBytes: image.sizeBytes,
    env: Object.fromEntries(image.env.map(parseVariable)),
    ...(limits && { limits }),
    ...(network && { network }),
    ...(ociRuntime !== undefined && { ociRuntime }),
    workDir,
  }
}

function parseVariable(line: string): [string, string] {
  const at = line.indexOf('=')
  if (at < 0)
    throw new SandboxError('engine_failed', 'The container engine gave an environment that is no NAME=value list.')
  return [line.slice(0, at), line.slice(at + 1)]
}
