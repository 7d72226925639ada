import { IncomingMessage } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import type DockerModem from 'docker-modem'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { EngineAddress } from './engine-address.ts'

/** One HTTP request to the engine. */
export interface DialRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Path without a query. */
  readonly path: string
  readonly query?: Readonly<Record<string, unknown>> | undefined
  readonly body?: object | undefined
  /** A tar stream as the body. */
  readonly upload?: Readable | undefined
  /** Ask for the connection itself ("Upgrade: tcp"), as exec and attach do. */
  readonly upgrade?: boolean
  readonly signal: AbortSignal
}

/** The reply with its body unread, or the raw connection when an upgrade was asked for and granted. */
export type Dial = (request: DialRequest) => Promise<IncomingMessage | Duplex>

/** Every status counts as an answer: docker-modem would read the body of an unlisted one into memory without a bound. */
const ANY_STATUS = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [100 + index, true]))

/**
 * Dials with dockerode: it knows unix sockets, named pipes, TCP, TLS and SSH. Only its lowest call is used. The calls above it
 * never settle when a reply is cut in its body, read replies of any size, and have no deadline.
 *
 * No http.Agent is passed on purpose: docker-modem prints all request options with util.inspect on every request, also when
 * nothing listens, and would walk all sockets of the agent (tens of milliseconds of CPU a call).
 */
export function dockerodeDial(address: EngineAddress): Dial {
  let modem: Promise<DockerModem> | undefined
  return async ({ method, path, query, body, upload, upgrade, signal }) => {
    modem ??= loadModem(address)
    const loaded = await modem
    signal.throwIfAborted()
    return await new Promise<IncomingMessage | Duplex>((resolve, reject) => {
      loaded.dial(
        {
          method,
          // With a "?" docker-modem appends `_query`; without it the query would be dropped.
          path: `${path}?`,
          // An absent `_body` would make it send the query as the body.
          options: { _query: query ?? {}, _body: body ?? {} },
          file: upload,
          hijack: upgrade,
          isStream: true,
          statusCodes: ANY_STATUS,
          abortSignal: signal,
        },
        (error, result) => {
          if (error) reject(error)
          else resolve(result as IncomingMessage | Duplex)
        },
      )
    })
  }
}

/** True for a reply, false for an upgraded connection. */
export function isReply(result: IncomingMessage | Duplex): result is IncomingMessage {
  return result instanceof IncomingMessage
}

/** Loads dockerode on first use: it costs 90 ms, which `--help` and a server without calls need not pay. */
async function loadModem(address: EngineAddress): Promise<DockerModem> {
  const { default: Docker } = await import('dockerode')
  try {
    // Each field is given, also when undefined: docker-modem fills what is absent from DOCKER_HOST and its sisters.
    const docker = new Docker({
      socketPath: address.socketPath,
      host: address.host,
      port: address.port,
      protocol: address.protocol,
      username: address.username,
      ca: address.tls?.ca,
      cert: address.tls?.cert,
      key: address.tls?.key,
      sshOptions: address.ssh,
      timeout: undefined,
      pathPrefix: '/',
      agent: undefined,
    } as ConstructorParameters<typeof Docker>[0])
    return docker.modem
  } catch (error) {
    // It parses DOCKER_HOST even when an address is given.
    throw new SandboxError('config_invalid', 'DOCKER_HOST or DOCKER_CERT_PATH has a value that cannot be used.', {
      cause: error,
    })
  }
}
