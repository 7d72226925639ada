import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import type { Config } from '../config/settings.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { noTelemetry, type Telemetry } from '../lib/telemetry.ts'
import type { Authenticator } from './auth/authenticator.ts'
import { authenticate, requireScope } from './authenticate.ts'
import { countRequests } from './count-requests.ts'
import { createFailureLimit } from './failure-limit.ts'
import { checkHostAndOrigin, type HostOriginConfig } from './host-origin.ts'
import { Listener, type ListenerConfig } from './listener.ts'
import { MCP_PATHS } from './mcp-paths.ts'
import { jsonBody } from './json-body.ts'
import { respondError } from './present.ts'
import { trustedPeers } from './trusted-peers.ts'

export type HttpConfig = HostOriginConfig &
  ListenerConfig &
  Pick<Config, 'bodyLimit' | 'bodyTimeout' | 'trustedProxies'>

/** From one address. Clients retry a few times with a token that has run out; many of them may share an address. */
const FAILED_CREDENTIALS_PER_MINUTE = 60

/** The places where other parts of the server answer requests: each a router, or nothing. */
export interface HttpRoutes {
  /** Before the authentication, at the root: says that the server lives, and nothing of anybody. */
  readonly health?: RequestHandler
  /** Before the authentication, at the root: routes whose credential is a ticket in the URL. */
  readonly tickets?: RequestHandler
  /** Below /metrics, for `sandbox:admin`. */
  readonly metrics?: RequestHandler
  /** At the root, for `sandbox:use`: /mcp, /sse, /messages. Bodies of POST are in `request.body`, parsed. */
  readonly mcp?: RequestHandler
  /** At the root, for `sandbox:use`: the files API. Bodies are unread. */
  readonly files?: RequestHandler
}

export interface HttpFrontDeps {
  readonly config: HttpConfig
  readonly authenticator: Authenticator
  readonly logger: Logger
  readonly telemetry?: Telemetry
  readonly routes?: HttpRoutes
}

export interface HttpFront {
  readonly app: Express
  /** Begins to listen. Resolves with the address, whose port is the real one where 0 was asked for; `config_invalid` when it cannot. */
  listen(): Promise<URL>
  /** Takes no more requests, gives those under way `drainMs`, then cuts what is left. */
  close(drainMs: number): Promise<void>
}

/**
 * What stands between the network and the rest of the server. The order is the protection: who is addressed and from which page (Host,
 * Origin), then what needs no credential, then who it is, then whether they may, and only then the body and the work. Every answer that is
 * not a route's own is JSON, errors included.
 */
export function createHttpFront(deps: HttpFrontDeps): HttpFront {
  const { config, authenticator, logger, telemetry = noTelemetry, routes = {} } = deps
  const app = express()
  // Express's own answers tell its name and hash every body; neither is wanted.
  app.disable('x-powered-by')
  app.disable('etag')
  // Whom request.ip believes about the address of a client.
  app.set('trust proxy', trustedPeers(config))
  const failures = createFailureLimit({ perMinute: FAILED_CREDENTIALS_PER_MINUTE })
  app.use(countRequests(telemetry))
  app.use(safeHeaders)
  app.use(checkHostAndOrigin(config))
  if (authenticator.publicRoutes) app.use(authenticator.publicRoutes)
  if (routes.health) app.use(routes.health)
  if (routes.tickets) app.use(routes.tickets)
  app.use(authenticate(authenticator, failures, logger))
  // Below its path and not beside it, so that no spelling of the path leads past the scope.
  if (routes.metrics) app.use('/metrics', requireScope('sandbox:admin', authenticator), routes.metrics)
  app.use(requireScope('sandbox:use', authenticator))
  if (routes.mcp) {
    app.post([...MCP_PATHS], jsonBody({ maxBytes: config.bodyLimit, timeoutMs: config.bodyTimeout }))
    app.use(routes.mcp)
  }
  if (routes.files) app.use(routes.files)
  app.use(() => {
    throw new SandboxError('not_found', 'There is nothing at this path.', { hint: 'MCP clients connect to /mcp.' })
  })
  // Express knows an error handler by its four parameters.
  const onError: ErrorRequestHandler = (error, _request, response, _next) => respondError(response, error, logger)
  app.use(onError)

  const listener = new Listener(app, config, logger)
  return {
    app,
    listen: () => listener.listen(),
    close: async (drainMs) => {
      await listener.close(drainMs)
      authenticator.close()
      failures.close()
    },
  }
}

/**
 * For browsers that open an answer: what comes from a sandbox is not run or framed, its type is not guessed, and neither it nor an
 * answer to a credential is kept in a cache.
 */
const safeHeaders: RequestHandler = (_request, response, next) => {
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'; sandbox")
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('Referrer-Policy', 'no-referrer')
  next()
}
