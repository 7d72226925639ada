import type { ContainerLimits, ImageDetails } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { PackageGroup, BaseChoice, RuntimeDefinition } from './definition.ts'
import { contentsFromLabel, type RuntimeContents } from './contents.ts'
import { runtimeTag } from './digest.ts'

/** Labels of a runtime's image. `digest` and `runtime` are also those of a sandbox's container. */
export const RUNTIME_LABELS = {
  role: 'sandbox-mcp.role',
  runtime: 'sandbox-mcp.runtime',
  digest: 'sandbox-mcp.digest',
  /** The digest with the base by its reference in place of its id. */
  recipe: 'sandbox-mcp.recipe',
  /** What the image has, as JSON: see measure.ts. */
  contents: 'sandbox-mcp.contents',
  /** Id of the base image. */
  base: 'sandbox-mcp.base',
} as const
export const RUNTIME_ROLE = 'runtime'
export const UNMEASURED_ROLE = 'unmeasured'

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
  /** The base that the image was really made from, which may be the definition's fallback. */
  readonly base: string
  /** What the definition adds to that base. */
  readonly packages: readonly PackageGroup[]
  /** What the definition says in place of the server's settings. */
  readonly limits?: Partial<ContainerLimits>
  readonly network?: 'none' | 'bridge'
  readonly ociRuntime?: string
  readonly workDir: string
  /** Undefined for an image that was not measured when it was built. */
  readonly contents?: RuntimeContents
  /** What packages are installed with, when the caller of a tool names nothing else. */
  readonly packageManager?: 'pip' | 'npm' | 'apt' | 'cargo'
}

/** Joins what the definition says with what the engine says of its image. */
export function readyRuntime(
  definition: RuntimeDefinition,
  base: BaseChoice,
  image: ImageDetails,
  digest: string,
): ReadyRuntime {
  const { name, description, limits, network, ociRuntime, workDir } = definition
  const contents = contentsFromLabel(image.labels[RUNTIME_LABELS.contents])
  return {
    name,
    description,
    imageId: image.id,
    digest,
    tag: runtimeTag(name, digest),
    sizeBytes: image.sizeBytes,
    env: Object.fromEntries(image.env.map(parseVariable)),
    base: base.reference,
    packages: base.packages,
    ...(limits && { limits }),
    ...(network && { network }),
    ...(ociRuntime !== undefined && { ociRuntime }),
    workDir,
    ...(contents && { contents }),
    ...(definition.packageManager && { packageManager: definition.packageManager }),
  }
}

function parseVariable(line: string): [string, string] {
  const at = line.indexOf('=')
  if (at < 0)
    throw new SandboxError('engine_failed', 'The container engine gave an environment that is no NAME=value list.')
  return [line.slice(0, at), line.slice(at + 1)]
}
