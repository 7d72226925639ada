import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { isInitializeRequest, type JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { Principal } from '../http/principal.ts'
import type { Logger } from '../lib/logger.ts'
import type { Caller } from '../registry/caller.ts'
import { EventBudget, type HeldEvents, type SessionEvents } from './event-store.ts'
import { answeredBy, cancelledBy, OpenRequests, requestOf } from './open-requests.ts'
import { respondRpcError, respondUnknownSession, RPC } from './rpc-error.ts'
import type { Session, Sessions } from './sessions.ts'
import type { UnknownSessions } from './unknown-session.ts'

export interface StreamableHttpDeps {
  readonly sessions: Sessions
  /** The server of one session. */
  readonly bind: (caller: Caller) => Promise<Server>
  readonly logger: Logger
  readonly events?: EventBudget
  readonly unknown: UnknownSessions
}

/** A proxy that sees nothing for longer than this may take a stream for dead. In milliseconds. */
export const KEEP_ALIVE_MS = 15_000
const METHODS = ['GET', 'POST', 'DELETE']

/** What one session has beside its place in the table. */
interface Live {
  readonly transport: StreamableHTTPServerTransport
  readonly events: SessionEvents
  readonly open: OpenRequests
}

/**
 * Streamable HTTP of MCP 2025-11-25 and before, with sessions: POST for messages, GET for the server's own stream and for the rest of one that
 * broke, DELETE for the end. What a session is allowed is decided here; the SDK's transport sees only requests of the session's own user.
 */
export class StreamableHttp {
  readonly #deps: StreamableHttpDeps
  readonly #events: EventBudget
  readonly #live = new WeakMap<Session, Live>()

  constructor(deps: StreamableHttpDeps) {
    this.#deps = deps
    this.#events = deps.events ?? new EventBudget()
  }

  /** What is held for clients whose stream breaks. */
  get held(): HeldEvents {
    return this.#events
  }

  /** Answers a request whose sender is known and whose body, if it has one, was read. */
  async answer(request: IncomingMessage, response: ServerResponse, principal: Principal, body: unknown): Promise<void> {
    const { method = '', headers } = request
    if (!METHODS.includes(method)) {
      response.setHeader('Allow', METHODS.join(', '))
      throw new SandboxError('method_not_allowed', `${method} is not a method of MCP.`)
    }
    const id = headers['mcp-session-id']
    if (id === undefined && method === 'POST' && isInitializeRequest(body)) {
      return this.#open(request, response, principal, body)
    }
    if (id === undefined) {
      const message = 'Bad Request: the header Mcp-Session-Id is missing. Begin with "initialize".'
      return respondRpcError(response, 400, { code: RPC.server, message }, requestOf(body) ?? null)
    }
    const session = this.#deps.sessions.find(id, principal, 'http')
    const live = session && this.#live.get(session)
    if (!session || !live) return this.#deps.unknown.refuse(request, response)
    session.use(response, principal)
    const lastEventId = headers['last-event-id']
    if (method === 'GET' && typeof lastEventId === 'string' && lastEventId !== '') {
      return this.#resume(request, response, session, live, lastEventId)
    }
    return this.#dispatch(request, response, live, body)
  }

  async #open(request: IncomingMessage, response: ServerResponse, principal: Principal, body: unknown): Promise<void> {
    const { sessions, bind, logger } = this.#deps
    const session = sessions.open(principal, 'http')
    let isOpen = false
    try {
      session.use(response, principal)
      const server = await bind(session.caller)
      const open = new OpenRequests()
      const events = this.#events.session((id) => open.isLast(id))
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => session.id,
        onsessioninitialized: () => void (isOpen = true),
        eventStore: events,
        keepAliveMs: KEEP_ALIVE_MS,
      })
      session.onEnd = () => {
        events.clear()
        server.close().catch((err: unknown) => logger.warn({ err }, 'A session was not closed as it should be.'))
      }
      session.drained = () => open.drained()
      watch(transport, open, logger)
      // The SDK's one hook for the end by DELETE; it is no event target.
      // oxlint-disable-next-line unicorn/prefer-add-event-listener
      server.onclose = () => session.end('client')
      await server.connect(transport)
      const live = { transport, events, open }
      this.#live.set(session, live)
      // It may have ended while its server was made.
      if (session.isOver) return respondUnknownSession(response)
      await this.#dispatch(request, response, live, body)
    } finally {
      if (!isOpen) session.end('not opened')
    }
  }

  async #dispatch(
    request: IncomingMessage,
    response: ServerResponse,
    { transport, open }: Live,
    body: unknown,
  ): Promise<void> {
    const ids = (Array.isArray(body) ? body : [body]).map(requestOf).filter((id) => id !== undefined)
    if (!open.begin(ids)) {
      const message = 'Invalid Request: an id stands for two requests that are open at once.'
      return respondRpcError(response, 400, { code: RPC.invalidRequest, message }, ids.length === 1 ? ids[0] : null)
    }
    // A refusal of the transport leaves nothing open: it is whole when it is the first that is said.
    response.once('close', () => {
      if (response.statusCode >= 400) for (const id of ids) open.end(id)
    })
    await transport.handleRequest(request, response, body)
  }

  async #resume(
    request: IncomingMessage,
    response: ServerResponse,
    { id }: Session,
    { transport, events }: Live,
    lastEventId: string,
  ): Promise<void> {
    const rest = events.resume(lastEventId)
    if (rest.kind === 'live') return transport.handleRequest(request, response)
    if (rest.kind === 'gone') {
      const message = 'What came after this event is no longer held. Ask again for what you need.'
      return respondRpcError(response, 400, { code: RPC.server, message })
    }
    response.setHeader('Mcp-Session-Id', id)
    if (rest.events.length === 0) {
      // "No more" to an event source (HTML Standard, server-sent events): it would come back for ever otherwise.
      response.writeHead(204).end()
      return
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache, no-transform' })
    response.end(rest.events.map((event) => `event: message\nid: ${event.id}\ndata: ${event.json}\n\n`).join(''))
  }
}

/**
 * Follows which requests are open, and ends the stream of one that is cancelled: the SDK answers nothing then and would keep the stream open as
 * long as the session lives. An answer is the one thing that ends it for the client too, which comes back for the rest of a stream without one;
 * clients ignore it (MCP 2025-11-25, basic/utilities/cancellation).
 */
function watch(transport: StreamableHTTPServerTransport, open: OpenRequests, logger: Logger): void {
  const send = transport.send.bind(transport)
  transport.send = async (message, options) => {
    try {
      await send(message, options)
    } finally {
      const id = answeredBy(message)
      if (id !== undefined) open.end(id)
    }
  }
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's transports have this property alone
  transport.onmessage = (message: JSONRPCMessage) => {
    const id = cancelledBy(message)
    if (id === undefined || !open.has(id)) return
    const error = { code: RPC.server, message: 'cancelled: The request was cancelled.' }
    transport
      .send({ jsonrpc: '2.0', id, error })
      .catch((err: unknown) => logger.debug({ err }, 'The stream of a cancelled request was gone already.'))
  }
}
