import type { IncomingMessage, ServerResponse } from 'node:http'
import { toNodeHandler } from '@modelcontextprotocol/node'
import {
  classifyInboundRequest,
  createMcpHandler,
  type McpHttpHandler,
  PROTOCOL_VERSION_META_KEY,
  type McpServerFactory,
  type ServerEventBus,
} from '@modelcontextprotocol/server'
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import type { Principal } from '../http/principal.ts'
import type { Logger } from '../lib/logger.ts'
import type { Caller } from '../registry/caller.ts'
import { isDiscovery } from './era.ts'
import { requestOf } from './open-requests.ts'
import { respondRpcError, RPC } from './rpc-error.ts'
import { cutWhenEnded, type Sessions } from './sessions.ts'
import { KEEP_ALIVE_MS } from './streamable-http.ts'

export interface ModernHttpDeps {
  readonly sessions: Sessions
  /** The server of one request. */
  readonly bind: (caller: Caller) => ReturnType<McpServerFactory>
  /** Told when a client of this caller asks what the server is. */
  readonly onDiscovery?: ((caller: Caller) => void) | undefined
  /** Where those servers tell of changes that subscribers want to hear of. */
  readonly changes?: ServerEventBus | undefined
  /** Whose sandbox a caller without a name uses, where there is no session to be a user; undefined: they have to use sessions. */
  readonly namelessUser: string | undefined
  readonly logger: Logger
}

/**
 * MCP 2026-07-28, without sessions: each request says all that is needed, and is one exchange. Closing the connection cancels it. The user is
 * who the credential says.
 */
export class ModernHttp {
  readonly #deps: ModernHttpDeps
  readonly #handler: McpHttpHandler
  readonly #callers = new WeakMap<Request, Caller>()
  readonly #exchanges = new Set<ServerResponse>()
  #onQuiet: (() => void) | undefined

  constructor(deps: ModernHttpDeps) {
    this.#deps = deps
    this.#handler = createMcpHandler(
      ({ requestInfo }) => {
        const caller = requestInfo && this.#callers.get(requestInfo)
        if (!caller) throw new Error('A request was served without its caller.')
        return deps.bind(caller)
      },
      {
        legacy: 'reject',
        ...(deps.changes && { bus: deps.changes }),
        keepAliveMs: KEEP_ALIVE_MS,
        onerror: (err) => deps.logger.debug({ err }, 'A request was refused.'),
      },
    )
  }

  /** True for a request that is of this revision, or claims to be. */
  isFor(request: IncomingMessage, body: unknown): boolean {
    return classify(request, body) !== 'legacy'
  }

  async answer(request: IncomingMessage, response: ServerResponse, principal: Principal, body: unknown): Promise<void> {
    const user = principal.user ?? this.#deps.namelessUser
    if (user === undefined && classify(request, body) === 'modern') return respondNameless(response, body)
    if (user !== undefined && isDiscovery(body)) this.#deps.onDiscovery?.({ user, transport: 'http' })
    if (user !== undefined && isSubscription(body)) {
      // A stream that stays: it takes the place of a session, and ends with its credential.
      const session = this.#deps.sessions.open({ ...principal, user }, 'http')
      session.use(response, principal)
      session.onEnd = () => response.end()
      response.once('close', () => session.end('client'))
    } else {
      const release = cutWhenEnded(response, principal.ended)
      this.#exchanges.add(response)
      response.once('close', () => {
        release()
        this.#exchanges.delete(response)
        if (this.#exchanges.size === 0) this.#onQuiet?.()
      })
    }
    const serve = toNodeHandler({
      fetch: (webRequest, options) => {
        if (user !== undefined) this.#callers.set(webRequest, { user, transport: 'http' })
        return this.#handler.fetch(webRequest, options)
      },
    })
    // What a server receives has both; the type is for clients' messages, too.
    await serve(request as IncomingMessage & { method: string; url: string }, response, body)
  }

  /** Resolves when no exchange is under way. */
  drained(): Promise<void> {
    if (this.#exchanges.size === 0) return Promise.resolve()
    return new Promise((resolve) => (this.#onQuiet = resolve))
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    return this.#handler.close()
  }
}

/** By the SDK's own rules; `reject` is what claims to be modern and is not sound, or is no message at all. */
function classify({ method = '', headers }: IncomingMessage, body: unknown): 'modern' | 'legacy' | 'reject' {
  return classifyInboundRequest({
    httpMethod: method,
    body,
    ...headerOf(headers, 'mcp-protocol-version', 'protocolVersionHeader'),
    ...headerOf(headers, 'mcp-method', 'mcpMethodHeader'),
    ...headerOf(headers, 'mcp-name', 'mcpNameHeader'),
  }).kind
}

function headerOf<K extends string>(headers: IncomingMessage['headers'], name: string, as: K): { [P in K]?: string } {
  const value = headers[name]
  return typeof value === 'string' ? ({ [as]: value } as { [P in K]?: string }) : {}
}

function isSubscription(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'method' in body && body.method === 'subscriptions/listen'
}

/** Clients that know an older revision go on with that one, and get a session, which can be a user of its own. */
function respondNameless(response: ServerResponse, body: unknown): void {
  const message =
    'Unsupported protocol version: without sessions a caller needs a name, and this server asks for none. ' +
    'Use a version with sessions, or have the operator configure --auth.'
  const data = { supported: SUPPORTED_PROTOCOL_VERSIONS, requested: requestedVersion(body) }
  respondRpcError(response, 400, { code: RPC.unsupportedVersion, message, data }, requestOf(body) ?? null)
}

function requestedVersion(body: unknown): unknown {
  const { params } = (body ?? {}) as { params?: { _meta?: Record<string, unknown> } }
  // oxlint-disable-next-line no-underscore-dangle -- the protocol's name
  return params?._meta?.[PROTOCOL_VERSION_META_KEY]
}
