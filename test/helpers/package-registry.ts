import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A package as `npm pack` made it. */
export interface PackedPackage {
  /** Its package.json. */
  readonly manifest: { readonly name: string; readonly version: string }
  /** Path of the archive. */
  readonly archive: string
}

/**
 * An npm registry that has this one package, and leads to `upstream` for all others. As the public one it says that the package holds an
 * npm-shrinkwrap.json, which npm otherwise does not look for.
 * https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md
 */
export async function startRegistry(
  { manifest, archive }: PackedPackage,
  upstream: string,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const { name, version } = manifest
  const content = readFileSync(archive)
  const integrity = `sha512-${createHash('sha512').update(content).digest('base64')}`
  const archivePath = `/${name}/-/${name}-${version}.tgz`
  // npm keeps what may be kept, by its address; the port may be another package's registry at the next run.
  const headers = { 'cache-control': 'no-store' }
  const server = createServer((request, response) => {
    if (request.url === `/${name}`) {
      const dist = { tarball: `http://${request.headers.host}${archivePath}`, integrity }
      const versions = { [version]: { ...manifest, _hasShrinkwrap: true, dist } }
      response.writeHead(200, headers).end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }))
    } else if (request.url === archivePath) response.writeHead(200, headers).end(content)
    else response.writeHead(302, { ...headers, location: new URL(request.url ?? '/', upstream).href }).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
