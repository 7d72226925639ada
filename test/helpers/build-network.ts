import { execFileSync } from 'node:child_process'
import { createReadStream, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, dirname, join, normalize } from 'node:path'
import { pipeline } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll } from 'vitest'
import type { RuntimeImagesOptions } from '../../src/runtimes/image-builder.ts'

/** How builds get packages: as this machine's own pip and npm are configured, whose folders a build cannot see. */
export type BuildNetwork = Pick<RuntimeImagesOptions, 'buildNetwork' | 'packageSources'>

/** Call once at the top of a file. Folders that pip is configured to use are served over HTTP until the file ends. */
export function useBuildNetwork(): () => BuildNetwork {
  const folders = setting('pip', 'global.extra-index-url')
    .split(/\s+/)
    .filter((url) => url.startsWith('file://'))
    .map((url) => fileURLToPath(url))
  const cafile = setting('npm', 'cafile')
  let server: Server | undefined
  let origin = ''
  beforeAll(async () => {
    if (folders.length === 0) return
    // A page of an index leads to files beside the index.
    server = serveFolders(folders.map((folder) => dirname(folder)))
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => server && new Promise((resolve) => server?.close(resolve)))
  return () => ({
    buildNetwork: 'host',
    packageSources: {
      pipIndexes: folders.map((folder, index) => `${origin}/${index}/${basename(folder)}`),
      certificatesFile: cafile || undefined,
    },
  })
}

/** A setting of pip or npm; empty when there is none, or no such program. */
function setting(program: 'pip' | 'npm', key: string): string {
  try {
    const value = execFileSync(program, ['config', 'get', key], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return value.trim().replace(/^(null|undefined)$/, '')
  } catch {
    // pip ends with an error for a key that is not set. Builds then use the public index.
    return ''
  }
}

/** Serves folder n below /n/. */
function serveFolders(folders: readonly string[]): Server {
  return createServer((request, response) => {
    const [, index = '', ...rest] = normalize(decodeURIComponent(request.url ?? '/')).split('/')
    const folder = folders[Number(index)]
    const path = folder === undefined ? undefined : join(folder, ...rest)
    const file = path === undefined ? undefined : findFile(path)
    if (file === undefined) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'content-type': file.endsWith('.html') ? 'text/html' : 'application/octet-stream' })
    // pip closes a connection when it has read enough.
    pipeline(createReadStream(file), response, () => undefined)
  })
}

function findFile(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  return found?.isDirectory() ? findFile(join(path, 'index.html')) : found && path
}

/** The same as settings of the program, for a process of its own. */
export function buildSettings({ buildNetwork = 'default', packageSources = {} }: BuildNetwork): Record<string, string> {
  const { pipIndexes = [], certificatesFile } = packageSources
  return {
    SANDBOX_BUILD_NETWORK: buildNetwork,
    SANDBOX_PIP_INDEX: pipIndexes.join(','),
    ...(certificatesFile === undefined ? {} : { SANDBOX_BUILD_CA: certificatesFile }),
  }
}
