import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { BuildSpec, CallOptions, Engine, ImageDetails, ProgressListener } from '../engine/engine.ts'
import { codeOf, isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { abortable } from '../lib/abort.ts'
import type { Logger } from '../lib/logger.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import { noTelemetry, type Telemetry } from '../lib/telemetry.ts'
import { BaseImages } from './base-image.ts'
import { buildContext } from './build-context.ts'
import { BuildPlanner } from './build-plan.ts'
import type { Catalogue } from './catalogue.ts'
import type { RuntimeContents } from './contents.ts'
import type { BaseChoice, RuntimeDefinition } from './definition.ts'
import { fromTag, recipeDigest, runtimeDigest, runtimeTag, UNMEASURED_REPOSITORY } from './digest.ts'
import { describeInstruction, dockerfileOf, FRESH_ARG } from './dockerfile.ts'
import { type PackageSources, sourceFiles } from './package-sources.ts'
import { findOldImages, pruneImages } from './prune-images.ts'
import { type ReadyRuntime, readyRuntime, RUNTIME_LABELS, RUNTIME_ROLE, UNMEASURED_ROLE } from './ready-runtime.ts'
import { smallArchive } from './small-archive.ts'

export type { ReadyRuntime } from './ready-runtime.ts'

export interface RuntimeImagesOptions {
  readonly engine: Engine
  readonly catalogue: Catalogue
  readonly logger: Logger
  readonly telemetry?: Telemetry
  /** See {@link BaseImages}. */
  readonly imageMirrors?: readonly string[]
  readonly packageSources?: PackageSources
  /** Folder of the supervisor binaries, when not the package's own. */
  readonly supervisorDir?: string
  /** Looks a new image over, for its label of contents; without it none is made. */
  readonly measure?: {
    /** Of what it looks for. */
    readonly sha256: string
    of(image: ImageDetails, aptPackages: readonly string[]): Promise<RuntimeContents>
  }
  /** Network of the steps of a build. */
  readonly buildNetwork?: NonNullable<BuildSpec['network']>
  /** Called after each build. */
  readonly onBuilt?: () => void
  /** Unix milliseconds. */
  readonly now?: () => number
}

export interface EnsureOptions {
  /** Gives up waiting; the build goes on for others, and for the next call. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ProgressListener | undefined
}

/**
 * Sees to it that the image of a runtime exists, and is the one that its definition, base and supervisor make today. Servers that
 * build the same image at the same time share the work: BuildKit runs a step once for all builds that need it.
 */
export class RuntimeImages {
  readonly #options: RuntimeImagesOptions
  readonly #bases: BaseImages
  readonly #planner: BuildPlanner
  readonly #ready = new Map<string, ReadyRuntime>()
  readonly #flights = new SingleFlight<ReadyRuntime>()
  /** Who wants to hear of the build of a runtime. */
  readonly #listeners = new Map<string, Set<ProgressListener>>()

  constructor(options: RuntimeImagesOptions) {
    this.#options = options
    const { engine, logger, imageMirrors: mirrors = [], supervisorDir, measure } = options
    this.#bases = new BaseImages({ engine, logger, mirrors })
    this.#planner = new BuildPlanner({ engine, supervisorDir, measureSha256: measure?.sha256 ?? '' })
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
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    if (onProgress) listeners.add(onProgress)
    try {
      return await abortable(
        this.#flights.run(name, () => this.#findOrBuild(definition)),
        signal,
      )
    } finally {
      if (onProgress) listeners.delete(onProgress)
    }
  }

  /** The runtime's image when the engine has it. Neither builds nor asks a registry. */
  async find(name: string): Promise<ReadyRuntime | undefined> {
    const definition = this.definition(name)
    return this.#ready.get(name) ?? (await this.#find(definition))
  }

  /** Asks the engine whether it has the runtime's image now: a known one may have been removed since. `image_unavailable` when not. */
  async requireBuilt(name: string, options: CallOptions = {}): Promise<void> {
    const ready = await this.find(name)
    if (ready && (await this.#options.engine.images.inspect(ready.imageId, options))) return
    throw new SandboxError('image_unavailable', `The image of the runtime ${name} is not built.`)
  }

  /** Forgets what is known of a runtime's image: for when the engine says that the image is gone. */
  forget(name: string): void {
    this.#ready.delete(name)
  }

  /**
   * Removes the images that these runtimes had before their present ones, `keptMs` after these were tagged last, and what ended builds
   * left; see {@link pruneImages}. A runtime that is not built today keeps what it has. Gives the ids of the removed images.
   */
  async prune(names: readonly string[], keptMs: number): Promise<readonly string[]> {
    const { engine, logger, now = Date.now } = this.#options
    return pruneImages({ engine, logger, current: await this.#currentDigests(names), keptMs, now: now() })
  }

  /** What {@link RuntimeImages.prune} would remove, if no container uses it. */
  async findOld(names: readonly string[], keptMs: number): Promise<readonly ImageDetails[]> {
    const { engine, now = Date.now } = this.#options
    return findOldImages({ engine, current: await this.#currentDigests(names), keptMs, now: now() })
  }

  /** The present digest of each of these runtimes that is built. */
  async #currentDigests(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const { engine } = this.#options
    const current = new Map<string, string>()
    for (const name of names) {
      const ready = await this.find(name)
      if (!ready) continue
      // Tells other servers that it is in use, where the engine notes the time (containerd's image store does not).
      const isThere = await engine.images.tag(ready.tag, ready.tag).then(
        () => true,
        (error: unknown) => {
          if (!isSandboxError(error, 'image_unavailable')) throw error
          this.forget(name)
          return false
        },
      )
      if (isThere) current.set(name, ready.digest)
    }
    return current
  }

  async #findOrBuild(definition: RuntimeDefinition): Promise<ReadyRuntime> {
    const found = definition.cacheImage ? await this.#find(definition) : undefined
    const ready = found ?? (await this.#build(definition))
    this.#ready.set(definition.name, ready)
    if (!found) this.#options.onBuilt?.()
    return ready
  }

  async #find(definition: RuntimeDefinition): Promise<ReadyRuntime | undefined> {
    const { engine } = this.#options
    const base = await this.#bases.find(definition)
    if (base) {
      const { ingredients } = await this.#planner.plan(definition, base.choice)
      const digest = runtimeDigest(ingredients, base.image.id)
      const image = await engine.images.inspect(runtimeTag(definition.name, digest))
      return image?.labels[RUNTIME_LABELS.digest] === digest
        ? readyRuntime(definition, base.choice, image, digest)
        : undefined
    }
    // Brought to this engine without its base: what the base is called has to do.
    for (const choice of definition.fallback ? [definition.base, definition.fallback] : [definition.base]) {
      const recipe = recipeDigest((await this.#planner.plan(definition, choice)).ingredients, choice.reference)
      const [image] = await engine.images.list({
        [RUNTIME_LABELS.role]: RUNTIME_ROLE,
        [RUNTIME_LABELS.recipe]: recipe,
      })
      const digest = image?.labels[RUNTIME_LABELS.digest]
      if (image && digest !== undefined) return readyRuntime(definition, choice, image, digest)
    }
    return undefined
  }

  async #build(definition: RuntimeDefinition): Promise<ReadyRuntime> {
    const { engine, logger, telemetry = noTelemetry, packageSources = {}, buildNetwork } = this.#options
    const { name, cacheImage } = definition
    const onProgress: ProgressListener = ({ step, steps, text }) => {
      for (const listener of this.#listeners.get(name) ?? []) listener({ step, steps, text: describeInstruction(text) })
    }
    const base = await this.#bases.ensure(definition, onProgress)
    const { ingredients, supervisor, steps } = await this.#planner.plan(definition, base.choice)
    const digest = runtimeDigest(ingredients, base.image.id)
    const from = fromTag(base.image.id)
    await engine.images.tag(base.image.id, from)
    const context = buildContext({
      dockerfile: dockerfileOf(definition, from, base.choice.packages),
      supervisor: supervisor.content,
      buildFiles: new Map([...steps.files, ...(await sourceFiles(packageSources))]),
    })
    const labels = {
      [RUNTIME_LABELS.role]: RUNTIME_ROLE,
      [RUNTIME_LABELS.runtime]: name,
      [RUNTIME_LABELS.digest]: digest,
      [RUNTIME_LABELS.recipe]: recipeDigest(ingredients, base.choice.reference),
      [RUNTIME_LABELS.base]: base.image.id,
    }
    const tag = runtimeTag(name, digest)
    const startedAt = performance.now()
    logger.info({ runtime: name, tag, base: base.choice.reference }, 'building the image of the runtime')
    const spec: BuildSpec = {
      tag,
      labels,
      ...(!cacheImage && { buildArgs: { [FRESH_ARG]: randomUUID() } }),
      ...(buildNetwork !== undefined && { network: buildNetwork }),
    }
    const image = await this.#buildImage(context, spec, base.choice, onProgress).catch((error: unknown) => {
      const failure = buildFailure(name, error)
      logger.error({ err: failure, runtime: name }, 'the build failed')
      telemetry.imageBuild(name, codeOf(failure), performance.now() - startedAt)
      throw failure
    })
    const ms = Math.round(performance.now() - startedAt)
    telemetry.imageBuild(name, 'ok', ms)
    logger.info({ runtime: name, tag, ms, sizeBytes: image.sizeBytes }, 'built the image of the runtime')
    return readyRuntime(definition, base.choice, image, digest)
  }

  /** Builds, and measures: the contents can be a label only of an image that is made from the measured one. */
  async #buildImage(
    context: Readable,
    spec: BuildSpec,
    choice: BaseChoice,
    onProgress: ProgressListener,
  ): Promise<ImageDetails> {
    const { engine, measure } = this.#options
    if (!measure) return await engine.images.build(context, spec, { onProgress })
    // A name of its own: another server may build the same at this moment, and remove its own.
    const unmeasured = `${UNMEASURED_REPOSITORY}${randomUUID()}`
    const labels = { [RUNTIME_LABELS.role]: UNMEASURED_ROLE }
    const image = await engine.images.build(context, { ...spec, tag: unmeasured, labels }, { onProgress })
    try {
      const apt = choice.packages.flatMap(({ manager, packages }) => (manager === 'apt' ? packages : []))
      const names = apt.map((name) => name.replace(/=.*$/, ''))
      const contents = JSON.stringify(await measure.of(image, names))
      return await engine.images.build(
        Readable.from(await smallArchive(new Map([['Dockerfile', `FROM ${unmeasured}\n`]]))),
        { tag: spec.tag, labels: { ...spec.labels, [RUNTIME_LABELS.contents]: contents } },
      )
    } finally {
      await engine.images.remove(unmeasured)
    }
  }
}

/** Names the runtime, and the step as its definition does, in place of the image and the instruction. */
function buildFailure(name: string, error: unknown): unknown {
  if (!isSandboxError(error) || typeof error.details['step'] !== 'string') return error
  const step = error.details['step'].replace(
    /\((.*)\)$/s,
    (_, instruction: string) => `(${describeInstruction(instruction)})`,
  )
  return new SandboxError(error.code, `The runtime ${JSON.stringify(name)} could not be built: ${step} failed.`, {
    hint: error.hint,
    details: { ...error.details, step },
    cause: error,
  })
}
