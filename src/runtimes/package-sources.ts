import { readFile } from 'node:fs/promises'
import { SandboxError } from '../errors/sandbox-error.ts'

/** Where the steps of a build get packages from, in place of the public registries. URLs may hold a user and a password. */
export interface PackageSources {
  /** Python indexes (PEP 503), the first in place of pypi.org. */
  readonly pipIndexes?: readonly string[]
  /** Hosts of such indexes that may be asked without TLS. */
  readonly pipTrustedHosts?: readonly string[]
  readonly npmRegistry?: string | undefined
  /** Holds debian/ and debian-security/, in place of deb.debian.org. */
  readonly aptMirror?: string | undefined
  /** File of certificates (PEM) to trust: all that are needed, also the public ones. */
  readonly certificatesFile?: string | undefined
}

/**
 * The files that step.sh reads. They go into the build context and are mounted while a step runs, so that no index, password or
 * certificate of the build's network gets into an image. `config_invalid` when the file of certificates cannot be read.
 */
export async function sourceFiles(sources: PackageSources): Promise<ReadonlyMap<string, string | Buffer>> {
  const { pipIndexes = [], pipTrustedHosts = [], npmRegistry, aptMirror, certificatesFile } = sources
  const files = new Map<string, string | Buffer>()
  if (pipIndexes.length + pipTrustedHosts.length > 0) files.set('pip.conf', pipConf(pipIndexes, pipTrustedHosts))
  if (npmRegistry !== undefined) files.set('npmrc', npmrc(npmRegistry))
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
