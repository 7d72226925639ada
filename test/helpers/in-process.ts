import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { type App, createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import { noTelemetry } from '../../src/lib/telemetry.ts'
import { createLogger } from '../../src/log.ts'
import { toolDefinitions } from '../../src/mcp/definitions.ts'
import { buildServer } from '../../src/mcp/server.ts'
import { TOOLS } from '../../src/tools/index.ts'

/** One server with many users, as a transport for many callers would have it: over stdio each server has one. */
export interface ManyUsers extends AsyncDisposable {
  readonly app: App
  /** A client whose calls are the user's. */
  clientOf(user: string): Promise<Client>
}

/** The program's own parts on the real engine, in this process. */
export function startForManyUsers(installation: string, settings: Readonly<Record<string, string>> = {}): ManyUsers {
  const { config } = loadConfig({ flags: { ...settings, installation }, env: {} })
  const logger = createLogger('silent')
  const app = createApp(config, process.env, logger)
  const definitions = toolDefinitions(TOOLS, config.network)
  const clients: Client[] = []
  return {
    app,
    async clientOf(user) {
      const caller = { user, transport: 'stdio' } as const
      const runtime = () => app.runtimeInfo(user)
      const about = { instructions: '', version: '0', runtime }
      const { registry: provider, admission } = app
      const calls = { provider, admission, telemetry: noTelemetry, logger }
      const deps = { ...calls, tools: TOOLS, definitions, caller, ...about }
      const [ours, theirs] = InMemoryTransport.createLinkedPair()
      await buildServer(deps).connect(theirs)
      const client = new Client({ name: 'test', version: '1.0.0' })
      await client.connect(ours)
      clients.push(client)
      return client
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.close()))
      await app.close()
    },
  }
}
