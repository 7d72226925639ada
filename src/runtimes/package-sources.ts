import { readFile } from 'node:fs/promises'
import { SandboxError } from '../errors/sandbox-error.ts'

/** Where the steps of a build get packages from, in place of the public registries. URLs may hold a user and a password. */
export interface PackageSources {
  /** Python indexes (PEP 503), the first in place of pypi.org. */
  readonly pipIndexes?: readonly string[]
  /** Hosts of such indexes that may be asked without TLS. */
  readonly pipTrustedHosts?: readonly string[]
  readonly npmRegistry?: string | undefined
  /** A sparse registry of crates (RFC 2789), in place of crates.io. */
  readonly cargoIndex?: string | undefined
  /** Holds debian/ and debian-security/, in place of deb.debian.org. */
  readonly aptMirror?: string | undefined
  /** File of certificates (PEM) to trust: all that are needed, also the public ones. */
  readonly certificatesFile?: string | undefined
}

/**
 * The files that sources.sh reads. They go into the build context and are mounted while a step runs, so that no index, password or
 * certificate of the build's network gets into an image. `config_invalid` when the file of certificates cannot be read.
 */
export async function sourceFiles(sources: PackageSources): Promise<ReadonlyMap<string, string | Buffer>> {
  const { pipIndexes = [], pipTrustedHosts = [], npmRegistry, cargoIndex, aptMirror, certificatesFile } = sources
  const files = new Map<string, string | Buffer>()
  if (pipIndexes.length + pipTrustedHosts.length > 0) files.set('pip.conf', pipConf(pipIndexes, pipTrustedHosts))
  if (npmRegistry !== undefined) files.set('npmrc', npmrc(npmRegistry))
  if (cargoIndex !== undefined) {
    files.set('cargo.toml', cargoConfig(cargoIndex))
    files.set('cargo-login.toml', cargoLogin(cargoIndex))
  }
  if (aptMirror !== undefined) files.set('apt-mirror', `${withoutSlash(aptMirror)}\n`)
  if (certificatesFile !== undefined) files.set('ca.pem', await readCertificates(certificatesFile))
  return files
}

/** pip.pypa.io/en/stable/topics/configuration */
function pipConf([first, ...others]: readonly string[], trustedHosts: readonly string[]): string {
  return [
    '[global]',
    ...(first === undefined ? [] : [`index-url = ${first}`]),
    ...(others.length > 0 ? [`extra-index-url = ${others.join(' ')}`] : []),
    ...(trustedHosts.length > 0 ? [`trusted-host = ${trustedHosts.join(' ')}`] : []),
    '',
  ].join('\n')
}

/** npm takes a user and password from its own setting only, never from the URL (docs.npmjs.com/cli/configuring-npm/npmrc, "Auth"). */
function npmrc(registry: string): string {
  const url = new URL(registry)
  const { username, password } = url
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const auth = `//${url.host}${url.pathname.replace(/\/?$/, '/')}:_auth=${Buffer.from(login).toString('base64')}`
  return [`registry=${publicUrl(registry)}`, ...(username === '' ? [] : [auth]), ''].join('\n')
}

/** Name of the configured registry of crates. */
const CARGO_SOURCE = 'sandbox-mcp'

/** doc.rust-lang.org/cargo/reference/source-replacement.html. Without a password: an offline install reads it, too. */
function cargoConfig(index: string): string {
  const registry = JSON.stringify(`sparse+${publicUrl(index)}`)
  return [
    '[source.crates-io]',
    `replace-with = "${CARGO_SOURCE}"`,
    `[source.${CARGO_SOURCE}]`,
    `registry = ${registry}`,
    `[registries.${CARGO_SOURCE}]`,
    `index = ${registry}`,
    '',
  ].join('\n')
}

/**
 * cargo sends a registry's token as the Authorization header as it stands, to registries that ask for one
 * (doc.rust-lang.org/cargo/reference/registry-authentication.html): a user and password are a token of the scheme Basic (RFC 7617).
 * A user alone is the token itself, as registries give it out.
 */
function cargoLogin(index: string): string {
  const { username, password } = new URL(index)
  if (username === '') return ''
  const [user, secret] = [decodeURIComponent(username), decodeURIComponent(password)]
  const token = secret === '' ? user : `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`
  return `[registries.${CARGO_SOURCE}]\ncredential-provider = "cargo:token"\ntoken = ${JSON.stringify(token)}\n`
}

/** An index's address without user and password, with one slash at its end. */
export function publicUrl(address: string): string {
  const url = new URL(address)
  url.username = ''
  url.password = ''
  return `${withoutSlash(url.href)}/`
}

async function readCertificates(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new SandboxError('config_invalid', `The file of certificates ${path} cannot be read.`, { cause })
  }
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '')
}
