import type { App } from './app.ts'
import type { Config } from './config/settings.ts'
import { KeptAnswers } from './lib/kept-answers.ts'
import { type Handover, NO_HANDOVER } from './lib/handover.ts'
import type { Logger } from './lib/logger.ts'
import { toolDefinitions } from './mcp/definitions.ts'
import { instructions } from './mcp/instructions.ts'
import { Resources } from './mcp/resources.ts'
import { runtimeResource } from './mcp/runtime-resource.ts'
import { workspaceResource } from './mcp/workspace-resource.ts'
import { McpService } from './mcp/service.ts'
import { toolsOf } from './tools/index.ts'
import { VERSION } from './version.ts'

/** What is said of a user's runtime may be as old as this, in milliseconds, for as many users. */
const INSTRUCTIONS_MS = 60_000
const INSTRUCTIONS_MAX = 1000

/** What the server offers, whoever connects and however. */
export function createService(
  app: App,
  config: Config,
  logger: Logger,
  handoverOf: (user: string) => Handover = () => NO_HANDOVER,
): McpService {
  const tools = toolsOf(config.tools)
  const texts = new KeptAnswers(
    async (user) =>
      instructions({
        tools: tools.map(({ name }) => name),
        runtime: await app.runtimeInfo(user),
        idleTimeoutMs: config.idleTimeout,
      }),
    { freshMs: INSTRUCTIONS_MS, max: INSTRUCTIONS_MAX },
  )
  return new McpService({
    provider: app.registry,
    admission: app.admission,
    telemetry: app.telemetry,
    handoverOf,
    logger,
    tools,
    definitions: toolDefinitions(tools, { sandbox: config.network, install: config.installNetwork }),
    resources: new Resources([
      runtimeResource((user) => app.runtimeInfo(user)),
      workspaceResource({ provider: app.registry, admission: app.admission }),
    ]),
    instructions: (user) => texts.of(user),
    onClient: (user) => app.registry.prewarm(user),
    version: VERSION,
  })
}
