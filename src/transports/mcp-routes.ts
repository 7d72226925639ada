import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { McpServerFactory, ServerEventBus } from '@modelcontextprotocol/server'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import express, { type Request, type Response, type Router } from 'express'
import { SandboxError } from '../errors/sandbox-error.ts'
import { type Principal, principalOf } from '../http/principal.ts'
import type { Logger } from '../lib/logger.ts'
import type { AnonymousUser } from '../registry/anonymous.ts'
import type { Caller } from '../registry/caller.ts'
import type { HeldEvents } from './event-store.ts'
import { ModernHttp } from './modern.ts'
import { type SessionLimits, Sessions } from './sessions.ts'
import { HttpSse, MESSAGES_PATH } from './sse.ts'
import { StreamableHttp } from './streamable-http.ts'
import { UnknownSessions } from './unknown-session.ts'

export interface McpRoutesDeps {
  /** Makes the server of a session of 2025-11-25 or older. */
  readonly bindV1: (caller: Caller) => Promise<Server>
  /** Makes the server of one request of 2026-07-28. */
  readonly bindV2: (caller: Caller) => ReturnType<McpServerFactory>
  /** Told when a client of this caller asks what the server is, where there are no sessions that begin. */
  readonly onDiscovery?: (caller: Caller) => void
  /** Where those servers tell of changes that subscribers want to hear of; none of ours has a list that changes. */
  readonly changes?: ServerEventBus
  readonly limits: SessionLimits
  /** A user for a session whose caller has no name. */
  readonly anonymous: () => AnonymousUser
  /** The user of requests without a session whose caller has no name; undefined: such requests are refused. */
  readonly namelessUser: string | undefined
  readonly logger: Logger
}

export interface McpRoutes {
  /** /mcp, /sse and /messages. Before it come the authentication, and for POST the reading of JSON into `request.body`. */
  readonly router: Router
  readonly sessions: Sessions
  /** What all sessions hold for clients whose stream breaks. */
  readonly held: HeldEvents
  /** The user of a live session of this principal, for routes beside MCP: the answer counts as use of the session. Undefined for any other id. */
  userOfSession(id: string, principal: Principal, response: ServerResponse): string | undefined
  /** Lets open requests be answered for so long, in milliseconds, then ends all sessions and what dies with them. */
  close(drainMs: number): Promise<void>
}

/** All legs of MCP over HTTP, on whatever servers the binders make. */
export function createMcpRoutes(deps: McpRoutesDeps): McpRoutes {
  const { logger, limits } = deps
  const sessions = new Sessions({ limits, anonymous: deps.anonymous, logger })
  const unknown = new UnknownSessions()
  const streamable = new StreamableHttp({ sessions, bind: deps.bindV1, logger, unknown })
  const sse = new HttpSse({ sessions, bind: deps.bindV1, logger, unknown })
  const { bindV2: bind, onDiscovery, changes, namelessUser } = deps
  const modern = new ModernHttp({ sessions, bind, onDiscovery, changes, namelessUser, logger })

  const router = express.Router()
  router.all('/mcp', async (request, response) => {
    const body: unknown = request.body
    const leg = modern.isFor(request, body) ? modern : streamable
    await leg.answer(request, response, principalOf(request), body)
  })
  // Not .get(), which would answer HEAD with a stream, too.
  router.all('/sse', async (request, response) => {
    allowOnly('GET', request, response)
    await sse.open(response, principalOf(request))
  })
  router.all(MESSAGES_PATH, async (request, response) => {
    allowOnly('POST', request, response)
    await sse.receive(request, response, principalOf(request), request.body)
  })

  return {
    router,
    sessions,
    held: streamable.held,
    userOfSession(id, principal, response) {
      const session = sessions.find(id, principal, 'http')
      session?.use(response, principal)
      return session?.caller.user
    },
    async close(drainMs) {
      sessions.stop()
      const given = new AbortController()
      const late = delay(drainMs, undefined, { signal: given.signal }).catch(() => {})
      await Promise.race([Promise.all([sessions.drained(), modern.drained()]), late])
      given.abort()
      await Promise.all([sessions.close(), modern.close()])
      unknown.close()
    },
  }
}

/** Clients that try /sse with POST first take this for "speak the older protocol". */
function allowOnly(method: 'GET' | 'POST', request: Request, response: Response): void {
  if (request.method === method) return
  response.setHeader('Allow', method)
  throw new SandboxError('method_not_allowed', `Only ${method} is answered at ${request.path}.`)
}
