import type { App } from './app.ts'
import type { DiskState } from './registry/quota/disk-floor.ts'
import type { Config } from './config/settings.ts'
import { createFileRoutes } from './file-routes.ts'
import { createAuthenticator, isLoopback } from './http/auth/create.ts'
import { healthRoutes } from './http/health.ts'
import { metricsRoute } from './http/metrics-route.ts'
import { createHttpFront } from './http/server.ts'
import type { Logger } from './lib/logger.ts'
import { bindV1 } from './mcp/bind-v1.ts'
import { bindV2 } from './mcp/bind-v2.ts'
import type { Metrics } from './metrics.ts'
import { createService } from './service.ts'
import { createMcpRoutes } from './transports/mcp-routes.ts'

/** Requests under way when a signal comes have this long to be answered, in milliseconds: within the 10 s that engines grant a container. */
const DRAIN_MS = 7000
/** So much of it is for the ends of streams. */
const MARGIN_MS = 1000
/** And then the sandboxes this long to be let go, also by an engine that does not answer. */
const CLOSE_MS = 2000

/** Many clients over HTTP until a signal comes. Resolves when no connection is left. */
export async function serveHttp(
  app: App,
  config: Config,
  logger: Logger,
  metrics: Metrics,
  stopped: AbortSignal,
): Promise<void> {
  metrics.watch('sandboxes', () => ({ ...app.registry.states() }))
  metrics.watch('engineDisk', () => diskGauge(app.disk.state))
  metrics.watch('poolSlots', () => ({ ...app.registry.poolSlots }))
  metrics.watch('callsRunning', () => app.admission.running)
  metrics.watch('callsWaiting', () => app.admission.waiting)
  // On the machine's own address everybody is the person at it.
  const namelessUser = isLoopback(config.host) ? config.user : undefined
  // Known when the server listens: no ticket is given before. (The configured host need not be one of a URL: "::".)
  let address = new URL('http://localhost')
  const files = createFileRoutes(app, config, {
    baseUrl: () => baseUrl(address, config),
    userOfSession: (id, principal, response) => mcp.userOfSession(id, principal, response),
    anonymousUser: namelessUser,
  })
  const service = createService(app, config, logger, files.handoverOf)
  const mcp = createMcpRoutes({
    bindV1: (caller) => bindV1(service, caller),
    bindV2: (caller) => bindV2(service, caller),
    onDiscovery: (caller) => service.connected(caller),
    limits: { idleMs: config.sessionIdle, max: config.maxSessions, maxPerUser: config.maxSessionsPerUser },
    anonymous: () => files.withTickets(app.registry.anonymousUser()),
    namelessUser,
    logger,
  })
  metrics.watch('sessions', () => mcp.sessions.byTransport)
  metrics.watch('replayEvents', () => mcp.held.events)
  metrics.watch('replayBytes', () => mcp.held.bytes)
  const front = createHttpFront({
    config,
    authenticator: await createAuthenticator(config, logger),
    logger,
    telemetry: metrics,
    routes: {
      ...files.routes,
      health: healthRoutes({ checks: app.readiness, warnings: app.warnings, isStopping: () => stopped.aborted }),
      metrics: metricsRoute(metrics),
      mcp: mcp.router,
    },
  })
  address = await front.listen()
  app.sweepInBackground()
  app.prepareInBackground()
  app.registry.fillPool()
  logger.info({ address: address.origin, auth: config.auth }, `listening on ${address.origin}`)
  if (process.stderr.isTTY) process.stderr.write(startMessage(address, config))
  if (!stopped.aborted) await new Promise((stop) => stopped.addEventListener('abort', stop, { once: true }))
  logger.info({ by: stopped.reason }, 'stopping')
  setTimeout(() => process.exit(), DRAIN_MS + CLOSE_MS).unref()
  // Streams end with their sessions, and only then connections are free to.
  await Promise.all([front.close(DRAIN_MS), mcp.close(DRAIN_MS - MARGIN_MS)])
}

/** For the person at the terminal: where clients connect. */
function startMessage(address: URL, config: Config): string {
  const mcp = `${baseUrl(address, config)}/mcp`
  return `\nsandbox-mcp is ready: MCP clients connect to ${mcp} (--auth ${config.auth}). Ctrl-C stops it.\n\n`
}

/** Where clients reach this server, without a slash at the end. */
function baseUrl(address: URL, { publicUrl }: Config): string {
  return publicUrl === '' ? address.origin : publicUrl.replace(/\/$/, '')
}

/** Empty while nobody has looked. */
function diskGauge(state: DiskState | undefined): Record<string, number> {
  return state ? { size: state.bytes, free: state.freeBytes } : {}
}
