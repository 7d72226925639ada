import { createHash } from 'node:crypto'

/** The base that a registry has: Debian with Python. */
export const registryImage = { repository: 'python', tag: '3.12-slim', reference: 'python:3.12-slim' }

/** The base that set-up makes where no registry answers. */
export const ownImage = { repository: 'sandbox-mcp/base', tag: 'bookworm', reference: 'sandbox-mcp/base:bookworm' }

/** What `ownImage` is made of. Another recipe gives another digest, and so a new image at the next set-up. */
export const recipe = {
  suite: 'bookworm',
  variant: 'minbase',
  packages: ['python3', 'python3-pip', 'python3-venv', 'ca-certificates'],
  /**
   * dpkg(1). Without documentation and translations it is half the size, and nothing that a program reads is gone. Without a sync after
   * each file it is made in two thirds of the time; what is cut short is thrown away whole.
   */
  dpkgOptions: [
    'path-exclude=/usr/share/doc/*',
    'path-exclude=/usr/share/man/*',
    'path-exclude=/usr/share/info/*',
    'path-exclude=/usr/share/locale/*',
    'force-unsafe-io',
  ],
  /** `docker import` takes no environment from the file system. */
  environment: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
}

/** SHA-256 (hex) of the recipe, kept in the image's label. */
export const recipeDigest = createHash('sha256').update(JSON.stringify(recipe)).digest('hex')

export const labels = { role: 'sandbox-mcp.role', digest: 'sandbox-mcp.base-digest' }

/** Reference of a base image that the engine already has, or undefined. One of our own that was made by another recipe does not count. */
export async function findBaseImage(api) {
  const own = await api.find(`/images/${ownImage.reference}/json`)
  if (own?.Config?.Labels?.[labels.digest] === recipeDigest) return ownImage.reference
  const pulled = await api.find(`/images/${registryImage.reference}/json`)
  return pulled && registryImage.reference
}
