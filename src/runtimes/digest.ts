import { createHash } from 'node:crypto'

/** All that the content of a runtime's image depends on. */
export interface ImageIngredients {
  readonly name: string
  /** The Dockerfile, with one and the same FROM line for all bases: every field of the definition that a build depends on. */
  readonly dockerfile: string
  readonly stepsSha256: string
  readonly supervisorSha256: string
  /** Of the script that measures the image; empty when it is not measured. */
  readonly measureSha256: string
  /** "linux/amd64" */
  readonly platform: string
}

/** The digest of a runtime's image, in hex. The base counts by its id: a tag that has moved means another image. */
export function runtimeDigest(ingredients: ImageIngredients, baseImageId: string): string {
  return sha256(['runtime', ...valuesOf(ingredients), baseImageId])
}

/**
 * As {@link runtimeDigest}, but with the base by its reference: finds an image that was brought from elsewhere (`docker load`) when
 * its base was not, so that nobody can tell the id.
 */
export function recipeDigest(ingredients: ImageIngredients, baseReference: string): string {
  return sha256(['recipe', ...valuesOf(ingredients), baseReference])
}

/** "sandbox-mcp/python-minimal:0123456789abcdef" */
export function runtimeTag(name: string, digest: string): string {
  return `sandbox-mcp/${name}:${digest.slice(0, 16)}`
}

/** Where images lie between their build and their measuring, each under a tag of its own. */
export const UNMEASURED_REPOSITORY = 'sandbox-mcp/unmeasured:'

/** Name of a base image for builds, by its id ("sha256:…"): a tag of a registry may move while a build runs. */
export function fromTag(baseImageId: string): string {
  return `sandbox-mcp/from:${baseImageId.replace('sha256:', '').slice(0, 16)}`
}

function valuesOf(ingredients: ImageIngredients): string[] {
  const { name, dockerfile, stepsSha256, supervisorSha256, measureSha256, platform } = ingredients
  return [name, dockerfile, stepsSha256, supervisorSha256, measureSha256, platform]
}

function sha256(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
