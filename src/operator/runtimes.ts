import type { Engine } from '../engine/engine.ts'
import { formatBytes } from '../lib/units.ts'
import { holdsSandbox, LABEL } from '../registry/identity.ts'
import type { Catalogue } from '../runtimes/catalogue.ts'
import type { RuntimeImages } from '../runtimes/image-builder.ts'
import type { ReadyRuntime } from '../runtimes/ready-runtime.ts'
import { resolvedPackages } from '../runtimes/resolved-packages.ts'
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
  /** The base of the image; of a runtime that is not built the one that its definition names first. */
  readonly base: string
  /** What the definition asks for, with the versions that the image has; null where it is not built, or was not measured. */
  readonly packages: readonly { readonly manager: string; readonly name: string; readonly version: string | null }[]
  /** The image, when the engine has the one that the definition makes today. */
  readonly image: {
    readonly tag: string
    readonly id: string
    readonly digest: string
    readonly sizeBytes: number
    /** "Debian GNU/Linux 12 (bookworm)"; null where it was not measured. */
    readonly os: string | null
    /** Versions of languages and tools. */
    readonly programs: Readonly<Record<string, string>>
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
    const definition = catalogue.get(name)
    const ready = await images.find(name)
    const sandboxes = (await engine.containers.list({ [LABEL.runtime]: name })).filter(holdsSandbox)
    const packages = resolvedPackages(ready ?? { packages: definition.base.packages })
    listed.push({
      name,
      description: definition.description,
      base: ready?.base ?? definition.base.reference,
      packages: packages.map((each) => ({ ...each, version: each.version ?? null })),
      image: ready ? imageOf(ready) : null,
      sandboxes: sandboxes.length,
    })
  }
  if (out.json) out.write(`${JSON.stringify(listed, undefined, 2)}\n`)
  else printTable(out, ['RUNTIME', 'IMAGE', 'SIZE', 'IN USE', 'BASE', 'PACKAGES'], listed.map(row))
  return listed
}

function imageOf({ tag, imageId, digest, sizeBytes, contents }: ReadyRuntime): ListedRuntime['image'] {
  return { tag, id: imageId, digest, sizeBytes, os: contents?.os ?? null, programs: contents?.programs ?? {} }
}

function row({ name, base, packages, image, sandboxes }: ListedRuntime): string[] {
  return [
    name,
    image ? image.tag.slice(image.tag.lastIndexOf(':') + 1) : 'not built',
    image ? formatBytes(image.sizeBytes) : '',
    String(sandboxes),
    base,
    inLines(packages.map((each) => (each.version === null ? each.name : `${each.name} ${each.version}`))),
  ]
}

/** What fits beside the other columns on a wide terminal. */
const LINE_CHARACTERS = 72

/** Words with commas between them, in lines of a bounded length; a word is never broken. */
function inLines(words: readonly string[]): string {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length + 2 <= LINE_CHARACTERS)
      lines[lines.length - 1] = `${last}, ${word}`
    else lines.push(word)
  }
  return lines.join(',\n')
}
