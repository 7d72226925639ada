import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { type App, createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import { createLogger } from '../../src/log.ts'
import { bindV1 } from '../../src/mcp/bind-v1.ts'
import { createService } from '../../src/service.ts'

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
  const service = createService(app, config, logger)
  const clients: Client[] = []
  return {
    app,
    async clientOf(user) {
      const [ours, theirs] = InMemoryTransport.createLinkedPair()
      await (await bindV1(service, { user, transport: 'stdio' })).connect(theirs)
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
