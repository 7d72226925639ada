import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import Docker from 'dockerode'
import { type App, createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { EngineInfo } from '../../src/engine/engine.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { identityOf } from '../../src/registry/identity.ts'

/** What the suites measure with: the built server behind real clients, the parts in this process, and the bare engine. */
export interface World {
  readonly quick: boolean
  readonly installation: string
  readonly docker: Docker
  readonly engineInfo: EngineInfo
  /** The parts of the server in this process, with the same settings. */
  readonly app: App
  /** A server of its own over stdio, for a user. */
  connect(user: string): Promise<Served>
  containerOf(user: string): Docker.Container
  close(): Promise<void>
}

export interface Served {
  readonly client: Client
  readonly pid: number
  call(name: string, args: Record<string, unknown>): Promise<void>
  close(): Promise<void>
}

const ROOT = resolve(import.meta.dirname, '../..')

export async function openWorld(quick: boolean): Promise<World> {
  const installation = `bench-${randomBytes(4).toString('hex')}`
  const settings = { SANDBOX_INSTALLATION: installation, SANDBOX_IDLE_TIMEOUT: '0', SANDBOX_LOG_LEVEL: 'warn' }
  const { config } = loadConfig({ flags: {}, env: settings })
  const app = createApp(config, process.env, silentLogger)
  const docker = new Docker()
  const open = new Set<Served>()
  return {
    quick,
    installation,
    docker,
    engineInfo: await app.engine.info(),
    app,
    containerOf: (user) => docker.getContainer(identityOf(installation, user).containerName),
    async connect(user) {
      const transport = new StdioClientTransport({
        command: process.execPath,
        args: [resolve(ROOT, 'dist/cli.js'), 'serve'],
        env: { ...definedOnly(process.env), ...settings, SANDBOX_USER: user },
        stderr: 'inherit',
      })
      const client = new Client({ name: 'bench', version: '1' })
      await client.connect(transport)
      const served: Served = {
        client,
        pid: transport.pid ?? 0,
        call: async (name, args) => {
          const result = await client.callTool({ name, arguments: args })
          if (result.isError) throw new Error(JSON.stringify(result.content))
        },
        close: async () => {
          open.delete(served)
          await client.close()
        },
      }
      open.add(served)
      return served
    },
    async close() {
      await Promise.all([...open].map((served) => served.close()))
      await app.close()
      const filters = { label: [`sandbox-mcp.installation=${installation}`] }
      const containers = await docker.listContainers({ all: true, filters })
      await Promise.all(containers.map(({ Id }) => docker.getContainer(Id).remove({ force: true })))
      const { Volumes } = await docker.listVolumes({ filters })
      await Promise.all((Volumes ?? []).map(({ Name }) => docker.getVolume(Name).remove()))
    },
  }
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
