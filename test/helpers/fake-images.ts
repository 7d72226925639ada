import { createHash, randomUUID } from 'node:crypto'
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { extract } from 'tar-stream'
import type { BuildSpec, ImageDetails, Images, Labels, ProgressListener } from '../../src/engine/engine.ts'
import { SandboxError } from '../../src/errors/sandbox-error.ts'
import { hasLabels, type FakeImage, type FakeWorld } from './fake-world.ts'

/** The images of the fake. A build reads the Dockerfile and asks the test how each step ends. */
export function fakeImages(world: FakeWorld): Images {
  const { images, containers, options, call } = world
  for (const reference of options.images ?? []) images.set(reference, newImage({}))

  const find = (reference: string): ImageDetails | undefined => {
    const image = images.get(withTag(reference)) ?? [...images.values()].find(({ id }) => id === reference)
    if (!image) return undefined
    return {
      id: image.id,
      tags: [...images].filter(([, other]) => other.id === image.id).map(([name]) => name),
      labels: image.labels,
      sizeBytes: 1024,
      platform: 'linux/amd64',
      env: image.env,
      taggedAtMs: image.taggedAtMs,
    }
  }
  const mustFind = (reference: string): ImageDetails => {
    const image = find(reference)
    if (!image) throw unavailable(`The image ${JSON.stringify(reference)} is not there.`)
    return image
  }

  return {
    inspect: (reference, callOptions) => call('images.inspect', callOptions, () => find(reference)),
    list: (labels, callOptions) =>
      call('images.list', callOptions, () =>
        [...new Set([...images.values()].filter((image) => hasLabels(image.labels, labels)).map(({ id }) => id))].map(
          (id) => mustFind(id),
        ),
      ),
    pull: (reference, callOptions) =>
      call('images.pull', callOptions, () => {
        if (!options.registry?.includes(reference)) throw unavailable(`No registry has ${JSON.stringify(reference)}.`)
        images.set(withTag(reference), newImage({}))
        callOptions?.onProgress?.({ step: 1, steps: 1, text: 'Pull complete' })
        return mustFind(reference)
      }),
    build: (context, spec, callOptions) =>
      call('images.build', callOptions, async () => {
        await build(world, context, spec, callOptions?.onProgress)
        return mustFind(spec.tag)
      }),
    tag: (reference, newReference, callOptions) =>
      call('images.tag', callOptions, () => {
        const { id } = mustFind(reference)
        const image = [...images.values()].find((other) => other.id === id)
        if (!image) return
        image.taggedAtMs = Date.now()
        images.set(withTag(newReference), image)
      }),
    remove: (reference, callOptions) =>
      call('images.remove', callOptions, () => {
        const image = find(reference)
        if (!image) return
        const isLastName = image.tags.length <= 1 || reference === image.id
        if (isLastName && [...containers.values()].some(({ imageId }) => imageId === image.id)) {
          throw new SandboxError('engine_failed', 'The image is in use.', { details: { status: 409 } })
        }
        if (reference === image.id) for (const name of image.tags) images.delete(name)
        else images.delete(withTag(reference))
      }),
  }
}

async function build(
  { images, options }: FakeWorld,
  context: Readable,
  spec: BuildSpec,
  onProgress: ProgressListener | undefined,
): Promise<void> {
  const instructions = (await readDockerfile(context)).split('\n').filter((line) => line.trim() !== '')
  for (const [index, instruction] of instructions.entries()) {
    onProgress?.({ step: index + 1, steps: instructions.length, text: instruction })
    const exitCode = options.onBuildStep?.(instruction) ?? 0
    if (exitCode !== 0) {
      const step = `step ${index + 1}/${instructions.length} (${instruction})`
      throw new SandboxError(
        'image_unavailable',
        `The image ${JSON.stringify(spec.tag)} could not be built: ${step} failed.`,
        {
          details: { step, log: `${instruction}\nreturned a non-zero code: ${exitCode}` },
        },
      )
    }
  }
  images.set(withTag(spec.tag), newImage(spec.labels))
}

async function readDockerfile(context: Readable): Promise<string> {
  const tar = context.pipe(extract())
  for await (const entry of tar) {
    if (entry.header.name === 'Dockerfile') return await text(entry)
    entry.resume()
  }
  throw unavailable('The build context holds no Dockerfile.')
}

function newImage(labels: Labels): FakeImage {
  return {
    id: `sha256:${createHash('sha256').update(randomUUID()).digest('hex')}`,
    labels,
    env: ['PATH=/usr/bin:/bin'],
    taggedAtMs: Date.now(),
  }
}

function withTag(reference: string): string {
  return reference.lastIndexOf(':') > reference.lastIndexOf('/') || reference.includes('@')
    ? reference
    : `${reference}:latest`
}

function unavailable(message: string): SandboxError {
  return new SandboxError('image_unavailable', message)
}
