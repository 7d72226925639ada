import type { Readable } from 'node:stream'
import * as z from 'zod'
import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import type { BuildSpec, ImageDetails, Images, ProgressListener } from '../engine.ts'
import { imagePath, labelFilter, splitReference } from './api-path.ts'
import { limitsOf, type CallLimits, type EngineApi } from './call.ts'
import { BuildLog, PullLog } from './image-progress.ts'

const READ_DEADLINE_MS = 10_000
const REMOVE_DEADLINE_MS = 60_000
const PULL_DEADLINE_MS = 15 * 60_000
const BUILD_DEADLINE_MS = 30 * 60_000

const Image = z
  .object({
    Id: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Size: z.number(),
    Os: z.string(),
    Architecture: z.string(),
    Created: z.string().nullish(),
    Metadata: z.object({ LastTagTime: z.string().nullish() }).nullish(),
    Config: z
      .object({ Labels: z.record(z.string(), z.string()).nullish(), Env: z.array(z.string()).nullish() })
      .nullish(),
  })
  .transform((image): ImageDetails => ({
    id: image.Id,
    tags: image.RepoTags ?? [],
    labels: image.Config?.Labels ?? {},
    sizeBytes: image.Size,
    platform: `${image.Os}/${image.Architecture}`,
    env: image.Config?.Env ?? [],
    taggedAtMs: timeOf(image.Metadata?.LastTagTime) ?? timeOf(image.Created),
  }))

/** RFC 3339; the engine's "never" is the year 1 (Go's zero time), or nothing. */
function timeOf(text: string | null | undefined): number | undefined {
  const ms = Date.parse(text ?? '')
  return ms > 0 ? ms : undefined
}

const ImageList = z.array(z.object({ Id: z.string() }))

/** The image, or undefined. */
export function findImage(api: EngineApi, reference: string, limits: CallLimits): Promise<ImageDetails | undefined> {
  return api.find(
    { action: 'inspect the image', method: 'GET', path: imagePath(reference, '/json'), absent: [404], limits },
    Image,
  )
}

/**
 * Images of a Docker engine. Builds use BuildKit, which is in every engine of API 1.41 and later: two builds of the same thing at the
 * same time run each step once, also for two servers, and a step may read files of the context without a trace in the image.
 */
export function dockerImages(api: EngineApi): Images {
  return {
    inspect: (reference, options) => findImage(api, reference, limitsOf(options, READ_DEADLINE_MS)),

    async list(labels, options) {
      const limits = limitsOf(options, READ_DEADLINE_MS)
      const listed = await api.json(
        {
          action: 'list the images',
          method: 'GET',
          path: '/images/json',
          query: { filters: labelFilter(labels) },
          limits,
        },
        ImageList,
      )
      // The list has neither platform nor environment. One that is gone by now is left out. One after the other: an engine that
      // is reached by SSH gets a connection for each request, and sshd drops them when many come at once (MaxStartups).
      const images: ImageDetails[] = []
      for (const { Id } of listed) {
        const image = await findImage(api, Id, limits)
        if (image) images.push(image)
      }
      return images
    },

    async pull(reference, options) {
      const limits = limitsOf(options, PULL_DEADLINE_MS)
      const { repository, tag } = splitReference(reference)
      const log = new PullLog(options?.onProgress)
      await api.lines(
        {
          action: `pull the image ${JSON.stringify(reference)}`,
          method: 'POST',
          path: '/images/create',
          query: { fromImage: repository, tag },
          // 404: no such repository or tag; 500: no registry answers. Neither has another code.
          codes: { 404: 'image_unavailable', 403: 'image_unavailable', 500: 'image_unavailable' },
          limits,
        },
        (line) => log.take(line),
      )
      log.throwIfFailed(reference)
      return await mustFind(api, reference, limits)
    },

    build: (context, spec, options) =>
      build(api, context, spec, limitsOf(options, BUILD_DEADLINE_MS), options?.onProgress),

    async tag(reference, newReference, options) {
      const { repository, tag } = splitReference(newReference)
      await api.send({
        action: 'tag the image',
        method: 'POST',
        path: imagePath(reference, '/tag'),
        query: { repo: repository, tag },
        codes: { 404: 'image_unavailable' },
        limits: limitsOf(options, READ_DEADLINE_MS),
      })
    },

    async remove(reference, options) {
      const limits = limitsOf(options, REMOVE_DEADLINE_MS)
      const path = imagePath(reference)
      try {
        await api.send({ action: 'remove the image', method: 'DELETE', path, absent: [404], limits })
      } catch (error) {
        // Docker answers 500 to one of two requests that take the last two names off an image at the same moment: both want to
        // remove the image itself. By then it has lost its name, which is what was asked for.
        const isLostRace = isSandboxError(error, 'engine_failed') && error.details['status'] === 500
        if (!isLostRace || (await findImage(api, reference, limits)) !== undefined) throw error
      }
    },
  }
}

async function build(
  api: EngineApi,
  context: Readable,
  spec: BuildSpec,
  limits: CallLimits,
  onProgress: ProgressListener | undefined,
): Promise<ImageDetails> {
  const log = new BuildLog(onProgress)
  await api.lines(
    {
      action: `build the image ${JSON.stringify(spec.tag)}`,
      method: 'POST',
      path: '/build',
      query: {
        // BuildKit, see moby's ImageBuildOptions. Podman has one builder, and ignores it.
        version: 2,
        t: spec.tag,
        labels: JSON.stringify(spec.labels),
        buildargs: JSON.stringify(spec.buildArgs ?? {}),
        ...(spec.network !== undefined && { networkmode: spec.network }),
        // Containers of failed steps are removed too.
        rm: 1,
        forcerm: 1,
      },
      upload: context,
      // 400: the Dockerfile cannot be parsed.
      codes: { 400: 'image_unavailable' },
      limits,
    },
    (line) => log.take(line),
  )
  log.throwIfFailed(spec.tag)
  return await mustFind(api, spec.tag, limits)
}

async function mustFind(api: EngineApi, reference: string, limits: CallLimits): Promise<ImageDetails> {
  const image = await findImage(api, reference, limits)
  if (image) return image
  throw new SandboxError('image_unavailable', `The image ${JSON.stringify(reference)} is not on the container engine.`)
}
