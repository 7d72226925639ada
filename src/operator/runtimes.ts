import type { Engine } from '../engine/engine.ts'
import { formatBytes } from '../lib/units.ts'
import { LABEL } from '../registry/identity.ts'
import type { Catalogue } from '../runtimes/catalogue.ts'
import type { RuntimeImages } from '../runtimes/image-builder.ts'
import { type Output, printTable } from './output.ts'

export interface RuntimesDeps {
  readonly engine: Engine
  readonly images: RuntimeImages
  readonly catalogue: Catalogue
  readonly out: Output
}

/** What `runtimes --json` prints for each runtime. */
export interface ListedRuntime {
  readonly name: string
  readonly description: string
  readonly packages: readonly string[]
  /** The image, when the engine has the one that the definition makes today. */
  readonly image: {
    readonly tag: string
    readonly id: string
    readonly digest: string
    readonly sizeBytes: number
  } | null
  /** Sandboxes of this runtime, also those on an older image. */
  readonly sandboxes: number
}

/** `sandbox-mcp runtimes`: what runtimes there are, which of them are built, and how many sandboxes use each. Builds nothing. */
export async function listRuntimes({
  engine,
  images,
  catalogue,
  out,
}: RuntimesDeps): Promise<readonly ListedRuntime[]> {
  const listed: ListedRuntime[] = []
  for (const name of catalogue.names) {
    const { description, base } = catalogue.get(name)
    const image = await images.find(name)
    const sandboxes = await engine.containers.list({ [LABEL.role]: 'sandbox', [LABEL.runtime]: name })
    listed.push({
      name,
      description,
      packages: base.packages.flatMap(({ packages }) => packages),
      image: image ? { tag: image.tag, id: image.imageId, digest: image.digest, sizeBytes: image.sizeBytes } : null,
      sandboxes: sandboxes.length,
    })
  }
  if (out.json) out.write(`${JSON.stringify(listed, undefined, 2)}\n`)
  else printTable(out, ['RUNTIME', 'IMAGE', 'SIZE', 'IN USE', 'PACKAGES'], listed.map(row))
  return listed
}

function row({ name, packages, image, sandboxes }: ListedRuntime): string[] {
  return [
    name,
    image ? image.tag.slice(image.tag.lastIndexOf(':') + 1) : 'not built',
    image ? formatBytes(image.sizeBytes) : '',
    String(sandboxes),
    packages.join(' '),
  ]
}
