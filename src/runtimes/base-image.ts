import type { Engine, ImageDetails, ProgressListener } from '../engine/engine.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import type { BaseChoice, RuntimeDefinition } from './definition.ts'

/** A registry that says nothing for so long counts as unreachable. */
const SILENCE_MS = 20_000

export interface BaseImagesOptions {
  readonly engine: Engine
  readonly logger: Logger
  /** Hosts asked in place of docker.io, in this order, before the registry that the reference names. */
  readonly mirrors: readonly string[]
  readonly silenceMs?: number
}

/** An image to build on, and which of the definition's two ways it is. */
export interface ResolvedBase {
  readonly image: ImageDetails
  readonly choice: BaseChoice
}

/** Finds the images that runtimes are built from, and fetches what is missing. */
export class BaseImages {
  readonly #options: BaseImagesOptions
  readonly #pulls = new SingleFlight<ImageDetails | undefined>()

  constructor(options: BaseImagesOptions) {
    this.#options = options
  }

  /** What the engine has already: the base, else its fallback, else undefined. Asks no registry. */
  async find({ base, fallback }: RuntimeDefinition): Promise<ResolvedBase | undefined> {
    for (const choice of fallback ? [base, fallback] : [base]) {
      const image = await this.#options.engine.images.inspect(choice.reference)
      if (image) return { image, choice }
    }
    return undefined
  }

  /** As {@link find}, else pulls the base. `image_unavailable` when no registry gives it. */
  async ensure(definition: RuntimeDefinition, onProgress?: ProgressListener): Promise<ResolvedBase> {
    const found = await this.find(definition)
    if (found) return found
    const { base } = definition
    const image = await this.#pulls.run(base.reference, () => this.#pull(base.reference, onProgress))
    if (image) return { image, choice: base }
    throw new SandboxError(
      'image_unavailable',
      `The base image ${JSON.stringify(base.reference)} is neither on the container engine nor in a registry that answers.`,
      {
        hint:
          'On the server, make a registry reachable (--image-mirrors) or bring the image with `docker load`, then run `sandbox-mcp build`. ' +
          'In a clone of the repository `npm run setup` does all of it.',
      },
    )
  }

  async #pull(reference: string, onProgress: ProgressListener | undefined): Promise<ImageDetails | undefined> {
    const { engine, logger, mirrors } = this.#options
    for (const source of sourcesOf(reference, mirrors)) {
      try {
        const image = await this.#pullFrom(source, onProgress)
        if (source !== reference) {
          await engine.images.tag(image.id, reference)
          await engine.images.remove(source)
        }
        return image
      } catch (error) {
        // A source that is down or lacks the image: the next one may have it.
        if (!isSandboxError(error, 'image_unavailable')) throw error
        const reason = error.details['engineText'] ?? error.message
        logger.warn({ image: source, reason }, 'the base image could not be pulled')
      }
    }
    return undefined
  }

  /** Gives up when the registry falls silent: a large image may take its time, but not without a word. */
  async #pullFrom(source: string, onProgress: ProgressListener | undefined): Promise<ImageDetails> {
    const silence = new AbortController()
    const timer = setTimeout(() => silence.abort(), this.#options.silenceMs ?? SILENCE_MS)
    try {
      return await this.#options.engine.images.pull(source, {
        signal: silence.signal,
        onProgress: (progress) => {
          timer.refresh()
          onProgress?.({ ...progress, text: `pulling ${source}: ${progress.text}` })
        },
      })
    } catch (cause) {
      if (!silence.signal.aborted) throw cause
      throw new SandboxError('image_unavailable', 'The registry does not answer.', { cause })
    } finally {
      clearTimeout(timer)
    }
  }
}

/**
 * Where an image may come from. Mirrors hold what docker.io holds, where names without a namespace are in "library"
 * (docs.docker.com/docker-hub/image-library/mirror); an image of another registry is asked for only there.
 */
export function sourcesOf(reference: string, mirrors: readonly string[]): string[] {
  const slash = reference.indexOf('/')
  const first = slash < 0 ? '' : reference.slice(0, slash)
  const namesRegistry = first.includes('.') || first.includes(':') || first === 'localhost'
  if (namesRegistry && first !== 'docker.io') return [reference]
  const path = first === 'docker.io' ? reference.slice(slash + 1) : reference
  const full = path.includes('/') ? path : `library/${path}`
  return [...mirrors.map((mirror) => `${mirror}/${full}`), reference]
}
