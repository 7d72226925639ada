import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { type JSONRPCMessage, JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js'
import type { Principal } from '../http/principal.ts'
import type { Logger } from '../lib/logger.ts'
import type { Caller } from '../registry/caller.ts'
import { answeredBy, cancelledBy, OpenRequests, requestOf } from './open-requests.ts'
import { respondRpcError, RPC } from './rpc-error.ts'
import type { Session, Sessions } from './sessions.ts'
import type { UnknownSessions } from './unknown-session.ts'

export interface SseDeps {
  readonly sessions: Sessions
  /** The server of one session. */
  readonly bind: (caller: Caller) => Promise<Server>
  readonly logger: Logger
  readonly unknown: UnknownSessions
  /** Between two comments that keep the stream alive, in milliseconds. */
  readonly pingMs?: number
  /** A client that leaves so much unread reads no more, and is cut off. In bytes. */
  readonly maxUnreadBytes?: number
}

/** Proxies take a stream for dead after 30 s or 60 s without a byte. */
const PING_MS = 20_000
/** Several of the largest results. In bytes. */
const MAX_UNREAD_BYTES = 16 * 1024 ** 2
/** Where clients post messages; the query names the session. */
export const MESSAGES_PATH = '/messages'

/**
 * HTTP+SSE of MCP 2024-11-05, for clients that know nothing newer: one stream from the server, and a POST for each message. The session is the
 * stream: it ends with it. (The SDK's own transport for this is no longer developed: it sends nothing to keep a stream alive, buffers without a
 * bound for a client that does not read, and answers errors as plain text.)
 */
export class HttpSse {
  readonly #deps: SseDeps
  readonly #live = new WeakMap<Session, SseTransport>()

  constructor(deps: SseDeps) {
    this.#deps = deps
  }

  /** GET: opens a session, whose stream is the answer. */
  async open(response: ServerResponse, principal: Principal): Promise<void> {
    const { sessions, bind, logger, pingMs = PING_MS, maxUnreadBytes = MAX_UNREAD_BYTES } = this.#deps
    const session = sessions.open(principal, 'sse')
    session.use(response, principal)
    response.once('close', () => session.end('client'))
    try {
      const endpoint = `${MESSAGES_PATH}?sessionId=${session.id}`
      const transport = new SseTransport({ response, endpoint, pingMs, maxUnreadBytes })
      const server = await bind(session.caller)
      session.onEnd = () => {
        server.close().catch((err: unknown) => logger.warn({ err }, 'A session was not closed as it should be.'))
      }
      session.drained = () => transport.open.drained()
      this.#live.set(session, transport)
      // The client may be gone already.
      if (session.isOver) return void response.destroy()
      await server.connect(transport)
    } catch (error) {
      session.end('not opened')
      throw error
    }
  }

  /** POST: a message of the client. */
  receive(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    body: unknown,
  ): void | Promise<void> {
    const id = new URL(request.url ?? '', 'http://localhost').searchParams.get('sessionId')
    if (id === null) {
      const message = 'Bad Request: the query has no sessionId. Open a stream with GET /sse first.'
      return respondRpcError(response, 400, { code: RPC.server, message }, requestOf(body) ?? null)
    }
    const session = this.#deps.sessions.find(id, principal, 'sse')
    const transport = session && this.#live.get(session)
    if (!session || !transport) return this.#deps.unknown.refuse(request, response)
    session.use(response, principal)
    const parsed = JSONRPCMessageSchema.safeParse(body)
    if (!parsed.success) {
      const error = { code: RPC.invalidRequest, message: 'Invalid Request: the body is not one JSON-RPC message.' }
      return respondRpcError(response, 400, error)
    }
    if (!transport.receive(parsed.data)) {
      const message = 'Invalid Request: an id stands for two requests that are open at once.'
      return respondRpcError(response, 400, { code: RPC.invalidRequest, message }, requestOf(body) ?? null)
    }
    response.writeHead(202).end()
  }
}

interface SseStream {
  readonly response: ServerResponse
  /** Path and query that the client posts to. */
  readonly endpoint: string
  readonly pingMs: number
  readonly maxUnreadBytes: number
}

/** One client's stream as a transport of the SDK. */
class SseTransport implements Transport {
  readonly open = new OpenRequests()
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  readonly #options: SseStream
  #ping: NodeJS.Timeout | undefined

  constructor(options: SseStream) {
    this.#options = options
  }

  start(): Promise<void> {
    const { response, endpoint, pingMs } = this.#options
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache, no-transform',
      // For nginx, which would hold events back.
      'X-Accel-Buffering': 'no',
    })
    this.#write(`event: endpoint\ndata: ${endpoint}\n\n`)
    this.#ping = setInterval(() => this.#write(': ping\n\n'), pingMs)
    this.#ping.unref()
    return Promise.resolve()
  }

  /** False when the id of the request is in use. */
  receive(message: JSONRPCMessage): boolean {
    const id = requestOf(message)
    if (id !== undefined && !this.open.begin([id])) return false
    const cancelled = cancelledBy(message)
    if (cancelled !== undefined) this.open.end(cancelled)
    this.onmessage?.(message)
    return true
  }

  send(message: JSONRPCMessage): Promise<void> {
    this.#write(`event: message\ndata: ${JSON.stringify(message)}\n\n`)
    const answered = answeredBy(message)
    if (answered !== undefined) this.open.end(answered)
    return Promise.resolve()
  }

  close(): Promise<void> {
    clearInterval(this.#ping)
    this.#options.response.end()
    this.onclose?.()
    return Promise.resolve()
  }

  #write(text: string): void {
    const { response, maxUnreadBytes } = this.#options
    if (response.destroyed) return
    response.write(text)
    if (response.writableLength > maxUnreadBytes) response.destroy()
  }
}
