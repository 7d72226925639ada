import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Config } from '../config/settings.ts'
import type { ErrorCode } from '../errors/codes.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { type PresentedError, respondJson } from './present.ts'
import { StalledBodies } from './stalled-bodies.ts'
import { loadCertificate } from './tls.ts'

export type ListenerConfig = Pick<
  Config,
  'host' | 'port' | 'tlsCert' | 'tlsKey' | 'maxConnections' | 'headersTimeout' | 'bodyTimeout' | 'keepAliveTimeout'
>

/** Node leaves out what is beyond, so a request with this many is refused instead. */
const MAX_HEADERS = 100
/** How often Node looks for requests whose headers are late, as a part of the time that they have. */
const CHECKS_PER_TIMEOUT = 4

/** While it closes, connections whose answer is done are looked for this often, in milliseconds. */
const IDLE_LOOK_MS = 50
const DROP_WARNING_MS = 60_000

/** What a client is told whose request is no HTTP (status and code by the parser's error code); the socket is all there is by then. */
const PARSER_FAULTS: Readonly<Record<string, readonly [status: string, code: ErrorCode, message: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'too_large', 'The headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'request_timeout', 'The headers did not arrive in time.'],
}
const NO_HTTP = ['400 Bad Request', 'invalid_argument', 'The request is not valid HTTP.'] as const

/**
 * The socket that the server listens on, and its connections: how many there may be, and how long a client may take. A request may last as
 * long as it likes once it has arrived (streams), and an upload as long as it makes progress.
 */
export class Listener {
  readonly #server: Server
  readonly #config: ListenerConfig
  readonly #logger: Logger
  readonly #stalled: StalledBodies
  readonly #certificate: Disposable | undefined
  #closing = false
  #warnedAt = Number.NEGATIVE_INFINITY

  constructor(answer: RequestListener, config: ListenerConfig, logger: Logger) {
    this.#config = config
    this.#logger = logger
    this.#stalled = new StalledBodies(config.bodyTimeout)
    const options = {
      // A missing Host is our own refusal: as JSON, and for HTTP/1.0 as well.
      requireHostHeader: false,
      headersTimeout: config.headersTimeout,
      connectionsCheckingInterval: Math.ceil(config.headersTimeout / CHECKS_PER_TIMEOUT),
      // For the whole request, uploads of any size included; StalledBodies cuts the ones that stand still.
      requestTimeout: 0,
      keepAliveTimeout: config.keepAliveTimeout,
      // Of TLS; others know it not.
      handshakeTimeout: config.headersTimeout,
    }
    const take = (request: IncomingMessage, response: ServerResponse) => this.#take(request, response, answer)
    if (config.tlsCert === '' && config.tlsKey === '') this.#server = createServer(options, take)
    else {
      const certificate = loadCertificate(config, logger, (renewed) => server.setSecureContext(renewed))
      const server = createTlsServer({ ...options, ...certificate.value }, take)
      this.#server = server
      this.#certificate = certificate
    }
    this.#server.maxHeadersCount = MAX_HEADERS
    this.#server.maxConnections = config.maxConnections
    this.#server.on('drop', () => this.#warnOfDrop())
    this.#server.on('clientError', answerParserFault)
    // Whoever asks for leave to send a body (RFC 9110 section 10.1.1) gets it when somebody reads it, so never for a refused request.
    this.#server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      request.on('newListener', function leave(event) {
        if (event !== 'data' && event !== 'readable') return
        request.off('newListener', leave)
        if (!response.headersSent) response.writeContinue()
      })
      take(request, response)
    })
  }

  async listen(): Promise<URL> {
    const { host, port } = this.#config
    this.#server.listen(port, host)
    try {
      await once(this.#server, 'listening')
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
      throw new SandboxError('config_invalid', `Cannot listen on ${host}, port ${port} (${code}).`, { cause })
    }
    this.#server.on('error', (err) => this.#logger.error({ err }, 'The listening socket failed.'))
    const { address, family, port: bound } = this.#server.address() as AddressInfo
    const scheme = this.#certificate ? 'https' : 'http'
    return new URL(`${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${bound}`)
  }

  async close(drainMs: number): Promise<void> {
    this.#closing = true
    this.#certificate?.[Symbol.dispose]()
    const server = this.#server
    if (server.listening) {
      const closed = once(server, 'close')
      // Connections without a request are closed at once.
      server.close()
      const timer = setTimeout(() => server.closeAllConnections(), drainMs)
      // One that was answering then has told its client that it stays open.
      const idle = setInterval(() => server.closeIdleConnections(), IDLE_LOOK_MS)
      await closed
      clearTimeout(timer)
      clearInterval(idle)
    }
    this.#stalled[Symbol.dispose]()
  }

  #take(request: IncomingMessage, response: ServerResponse, answer: RequestListener): void {
    this.#stalled.watch(request)
    if (this.#closing) response.setHeader('Connection', 'close')
    if (request.rawHeaders.length / 2 < MAX_HEADERS) return answer(request, response)
    response.setHeader('Connection', 'close')
    respondJson(response, 431, { error: faultOf('too_large', 'There are too many headers.') })
  }

  /** Not of each: whoever fills the server with connections would fill the log, too. */
  #warnOfDrop(): void {
    if (performance.now() - this.#warnedAt < DROP_WARNING_MS) return
    this.#warnedAt = performance.now()
    const { maxConnections } = this.#config
    this.#logger.warn({ maxConnections }, 'Connections are refused, as many as are allowed are open.')
  }
}

function answerParserFault(error: NodeJS.ErrnoException, socket: Socket): void {
  // Reset, or in the middle of an answer: nothing that is written now would be understood.
  if (!socket.writable || error.code === 'ECONNRESET' || socket.bytesWritten > 0) {
    socket.destroy()
    return
  }
  answerOnSocket(socket, PARSER_FAULTS[error.code ?? ''] ?? NO_HTTP)
}

function answerOnSocket(socket: Socket, [status, code, message]: readonly [string, ErrorCode, string]): void {
  const body = JSON.stringify({ error: faultOf(code, message) })
  const head = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function faultOf(code: ErrorCode, message: string): PresentedError {
  return { code, message, hint: 'Send a complete and smaller HTTP/1.1 request.' }
}
