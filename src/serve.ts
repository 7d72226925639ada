import { constants } from 'node:os'
import { type App, createApp } from './app.ts'
import type { Config } from './config/settings.ts'
import type { Logger } from './lib/logger.ts'
import { createLogger } from './log.ts'
import { bindV1 } from './mcp/bind-v1.ts'
import type { Metrics } from './metrics.ts'
import type { Caller } from './registry/caller.ts'
import { createService } from './service.ts'
import { hostFiles } from './transports/host-files/host-files.ts'
import { serveStdio } from './transports/stdio.ts'
import { VERSION } from './version.ts'

/** From the client's end, or the first signal, to ours: answers under way, evictions and all. In milliseconds. */
const EXIT_DEADLINE_MS = 4500

/**
 * `sandbox-mcp serve`: one client over stdio until it is gone, or many over HTTP, until a signal comes. The users' sandboxes and what runs in them go on, unless
 * the operator wants idle ones evicted; a second signal ends the process at once.
 */
export async function serve(config: Config, env: NodeJS.ProcessEnv): Promise<void> {
  const logger = createLogger(config.logLevel)
  const stopping = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (stopping.signal.aborted) process.exit(128 + constants.signals[name])
      stopping.abort(name)
    })
  }
  const metrics = config.transport === 'http' ? await loadMetrics() : undefined
  const app = createApp(config, env, logger, metrics)
  // Loaded when used: a client that starts a server over stdio waits for it.
  if (metrics) await (await import('./serve-http.ts')).serveHttp(app, config, logger, metrics, stopping.signal)
  else await overStdio(app, config, logger, stopping.signal)
  await app.close({ evictIdle: config.onExit === 'evict' })
  process.exit()
}

/** Over stdio nobody could ask for them. */
async function loadMetrics(): Promise<Metrics> {
  const { createMetrics } = await import('./metrics.ts')
  return createMetrics(VERSION)
}

async function overStdio(app: App, config: Config, logger: Logger, stopped: AbortSignal): Promise<void> {
  const [first, ...more] = config.hostDir
  const host = first === undefined ? undefined : hostFiles([first, ...more], config.transferSize)
  const service = createService(app, config, logger, () => ({ host }))
  const caller: Caller = { user: config.user, transport: 'stdio' }
  const deps = {
    legacy: await bindV1(service, caller),
    onDiscovery: () => service.connected(caller),
    modern: async () => (await import('./mcp/bind-v2.ts')).bindV2(service, caller),
    logger,
  }
  app.sweepInBackground()
  app.registry.fillPool()
  await serveStdio(deps, stopped, () => {
    logger.info({ by: stopped.aborted ? stopped.reason : 'the client' }, 'stopping')
    setTimeout(() => process.exit(), EXIT_DEADLINE_MS).unref()
  })
}
