import type { ReadyRuntime } from './ready-runtime.ts'

/** A package that a definition asks for. */
export interface ResolvedPackage {
  readonly manager: string
  readonly name: string
  /** The installed version, as measured in the image; undefined where that was not measured. */
  readonly version: string | undefined
}

/** Where a name ends and a version, an extra or a comparison begins; an npm scope begins with "@". */
const NAME = /^@?[^@=<>!~[]+/

/** What the definition of a runtime asks for, with the versions that its image has. */
export function resolvedPackages({
  packages,
  contents,
}: Pick<ReadyRuntime, 'packages' | 'contents'>): ResolvedPackage[] {
  return packages.flatMap((group) => {
    // Node.js itself is a program of the image.
    const measured = group.manager === 'node' ? contents?.programs : contents?.packages[group.manager]
    const versions = new Map(Object.entries(measured ?? {}).map(([name, version]) => [normal(name), version]))
    return group.packages.map((spec) => {
      const name = NAME.exec(spec)?.[0] ?? spec
      return { manager: group.manager, name, version: versions.get(normal(name)) }
    })
  })
}

/** The same for all spellings that an index takes for one name (PEP 503). */
function normal(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-')
}
