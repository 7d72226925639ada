import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { basicLogin } from './basic-login.ts'

/** One crate with its files; Cargo.toml is made. */
export interface Crate {
  readonly name: string
  readonly version: string
  /** Other crates of the registry, by name, with the version that is asked for. */
  readonly dependencies?: Readonly<Record<string, string>>
  /** Content by path, as "src/main.rs". */
  readonly files: Readonly<Record<string, string>>
}

export interface CrateRegistry extends AsyncDisposable {
  /** Its address, with the login in it. */
  readonly url: string
  /** Paths that were asked for with the login, in order. */
  readonly asked: readonly string[]
}

/**
 * A sparse registry of crates on this machine (RFC 2789), as cargoIndex names one. With a login it is private: cargo is told to send its
 * token, and whoever does not send it gets 401.
 */
export async function startCrateRegistry(crates: readonly Crate[], login?: string): Promise<CrateRegistry> {
  const files = new Map<string, Buffer | string>()
  for (const crate of crates) {
    const archive = await archiveOf(crate)
    files.set(`/dl/${crate.name}/${crate.version}/download`, archive)
    files.set(`/index/${indexPath(crate.name)}`, `${JSON.stringify(indexLine(crate, archive))}\n`)
  }
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    if (path === '/index/config.json') {
      const config = { dl: `http://${request.headers.host}/dl`, 'auth-required': login !== undefined }
      // cargo asks for it without a token first: it learns here that it needs one.
      if (login !== undefined && request.headers.authorization !== basicLogin(login)) response.writeHead(401).end()
      else response.end(JSON.stringify(config))
      return
    }
    if (login !== undefined && request.headers.authorization !== basicLogin(login)) {
      response.writeHead(401).end()
      return
    }
    asked.push(path)
    const content = files.get(path)
    if (content === undefined) response.writeHead(404).end()
    else response.end(content)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${login === undefined ? '' : `${login}@`}${host}/index/`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** doc.rust-lang.org/cargo/reference/registry-index.html, "Index files" */
function indexPath(name: string): string {
  const lower = name.toLowerCase()
  if (lower.length < 4) return lower.length < 3 ? `${lower.length}/${lower}` : `3/${lower.slice(0, 1)}/${lower}`
  return `${lower.slice(0, 2)}/${lower.slice(2, 4)}/${lower}`
}

/** The same page, "JSON schema". */
function indexLine({ name, version, dependencies = {} }: Crate, archive: Buffer) {
  const deps = Object.entries(dependencies).map(([dependency, requirement]) => ({
    name: dependency,
    req: requirement,
    features: [],
    optional: false,
    default_features: true,
    target: null,
    kind: 'normal',
  }))
  return {
    name,
    vers: version,
    deps,
    cksum: createHash('sha256').update(archive).digest('hex'),
    features: {},
    yanked: false,
  }
}

/** What `cargo package` makes. */
async function archiveOf({ name, version, dependencies = {}, files }: Crate): Promise<Buffer> {
  const manifest = [
    '[package]',
    `name = "${name}"`,
    `version = "${version}"`,
    'edition = "2021"',
    '[dependencies]',
    ...Object.entries(dependencies).map(([dependency, requirement]) => `${dependency} = "${requirement}"`),
    '',
  ].join('\n')
  const tar = pack()
  for (const [path, content] of Object.entries({ ...files, 'Cargo.toml': manifest })) {
    tar.entry({ name: `${name}-${version}/${path}` }, content)
  }
  tar.finalize()
  return buffer(tar.pipe(createGzip()))
}
