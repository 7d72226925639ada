import { isIP } from 'node:net'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { ConnectSources, EngineAddress, TlsMaterial } from './engine-address.ts'
import { hostKeyVerifier } from './ssh-host-key.ts'

/** What an address needs besides its URL. */
export interface UrlSurroundings {
  readonly source: string
  readonly env: ConnectSources['env']
  readonly homeDir: string
  /** Given: TLS is used, with these files. */
  readonly tls: TlsMaterial | undefined
}

/** Ports of the Docker API by IANA: 2375 plain, 2376 with TLS. */
const PLAIN_PORT = 2375
const TLS_PORT = 2376

/**
 * Understands what DOCKER_HOST may hold: unix:///path, npipe:////./pipe/name, tcp://host:port, http(s)://…, ssh://user@host, and a
 * bare absolute path. Fails with `config_invalid`.
 */
export function addressFromUrl(text: string, { source, env, homeDir, tls }: UrlSurroundings): EngineAddress {
  if (text.startsWith('/')) return { source, socketPath: text }
  if (text.startsWith('unix://')) return { source, socketPath: path(text.slice('unix://'.length), text) }
  if (text.startsWith('npipe://')) return { source, socketPath: path(text.slice('npipe://'.length), text) }

  const url = parse(text)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? undefined : Number(url.port)
  switch (url.protocol) {
    case 'ssh:':
      return {
        source,
        host,
        port: port ?? 22,
        protocol: 'ssh',
        ...(url.username && { username: decodeURIComponent(url.username) }),
        ssh: {
          ...(env['SSH_AUTH_SOCK'] && { agent: env['SSH_AUTH_SOCK'] }),
          hostVerifier: hostKeyVerifier({ homeDir, host, port: port ?? 22 }),
        },
      }
    case 'https:':
      return { source, host, port: port ?? TLS_PORT, protocol: 'https', tls: tls ?? {} }
    case 'tcp:':
    case 'http:':
      if (tls) return { source, host, port: port ?? TLS_PORT, protocol: 'https', tls }
      return {
        source,
        host,
        port: port ?? PLAIN_PORT,
        protocol: 'http',
        ...(!isLoopback(host) && {
          warning:
            'The engine is reached over plain TCP: whoever can reach that port controls its host. Use TLS or SSH.',
        }),
      }
    default:
      throw invalid(text)
  }
}

function path(value: string, text: string): string {
  if (!value.startsWith('/')) throw invalid(text)
  return value
}

function parse(text: string): URL {
  // The docker command line takes "host:port" for tcp.
  const url = tryUrl(text.includes('://') ? text : `tcp://${text}`)
  if (!url || url.hostname === '') throw invalid(text)
  return url
}

function tryUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function invalid(text: string): SandboxError {
  return new SandboxError('config_invalid', `The engine address ${JSON.stringify(text.slice(0, 200))} is not valid.`, {
    hint: 'Use unix:///path, tcp://host:port, https://host:port, ssh://user@host, or npipe:////./pipe/name.',
  })
}
