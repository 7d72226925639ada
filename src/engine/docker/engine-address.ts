import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConnectConfig } from 'ssh2'
import { SandboxError } from '../../errors/sandbox-error.ts'

/** Where an engine answers, and who said so. */
export interface EngineAddress {
  /** Where the address was found, for `doctor` and the log: "DOCKER_HOST", "docker context \"colima\"". */
  readonly source: string
  /** Unix socket or Windows named pipe. */
  readonly socketPath?: string
  readonly host?: string
  readonly port?: number
  readonly protocol?: 'http' | 'https' | 'ssh'
  readonly username?: string
  readonly tls?: TlsMaterial
  readonly ssh?: ConnectConfig
  /** Why this address should not be used in earnest, when there is a reason. */
  readonly warning?: string
}

/** PEM texts. */
export interface TlsMaterial {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** What the search looks at, so that a test can give its own. */
export interface ConnectSources {
  /** The configured address, as a URL or the path of a socket. */
  readonly host: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
  readonly homeDir: string
  /** Directory that absolute socket paths are looked up below: "/" but in tests. */
  readonly rootDir: string
}

/** Reads ca.pem, cert.pem and key.pem; a missing one is left out. */
export function readTls(directory: string): TlsMaterial {
  const read = (name: string): string | undefined => {
    const path = join(directory, name)
    try {
      return existsSync(path) ? readFileSync(path, 'utf8') : undefined
    } catch (error) {
      throw new SandboxError('config_invalid', `The TLS file ${name} of the container engine cannot be read.`, {
        cause: error,
      })
    }
  }
  const [ca, cert, key] = [read('ca.pem'), read('cert.pem'), read('key.pem')]
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) }
}
