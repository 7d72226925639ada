import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import Docker from 'dockerode'
import { type App, createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { ContainerState, EngineInfo } from '../../src/engine/engine.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { parsePrometheusText, type Scrape } from '../helpers/prometheus-text.ts'
import { identityOf } from '../../src/registry/identity.ts'
import { findContainer, resolveOwner } from '../../src/registry/owner.ts'
import { connectHttp } from '../helpers/http-clients.ts'
import type { McpClient } from '../helpers/mcp-client.ts'
import { startHttpServer } from '../helpers/start-http-server.ts'

/** What the suites measure with: the built server behind real clients, the parts in this process, and the bare engine. */
export interface World {
  readonly quick: boolean
  readonly installation: string
  readonly docker: Docker
  readonly engineInfo: EngineInfo
  /** The parts of the server in this process, with the same settings. */
  readonly app: App
  /** A server of its own over stdio, for a user; `settings` as environment variables beside the world's own. */
  connect(user: string, settings?: Readonly<Record<string, string>>): Promise<Served>
  /** A server over HTTP for many users, in a process of its own; `settings` as environment variables. `await using` ends it. */
  serveUsers(settings?: Readonly<Record<string, string>>): Promise<ServedUsers>
  /** The user's container as it is, whatever it is called. */
  containerOf(user: string): Promise<Docker.Container>
  /** undefined while the user has no container. */
  stateOf(user: string): Promise<ContainerState | undefined>
  /** Removes the user's container, as an eviction does; the files stay. */
  evict(user: string): Promise<void>
  close(): Promise<void>
}

export interface Served {
  readonly client: Client
  readonly pid: number
  call(name: string, args: Record<string, unknown>): Promise<void>
  close(): Promise<void>
}

export interface ServedUsers extends AsyncDisposable {
  /** A client of the user, connected: each call of what it resolves to runs `true`. */
  callerOf(user: string): Promise<() => Promise<void>>
  /** What its metrics say now. */
  metrics(): Promise<Scrape>
}

/** In which the users of the bench are named, as a reverse proxy would. */
const USER_HEADER = 'x-bench-user'
/** Who may read the metrics. */
const OPERATOR = 'bench-operator'

const ROOT = resolve(import.meta.dirname, '../..')

export async function openWorld(quick: boolean): Promise<World> {
  const installation = `bench-${randomBytes(4).toString('hex')}`
  const settings = {
    SANDBOX_INSTALLATION: installation,
    SANDBOX_IDLE_TIMEOUT: '0',
    SANDBOX_LOG_LEVEL: 'warn',
    // The suite of memory fills 1 GiB with sandboxes.
    SANDBOX_MAX_RUNNING: '1000',
    // What is timed is what a call does, not what was done ahead of it.
    SANDBOX_PREWARM: 'never',
  }
  const { config } = loadConfig({ flags: {}, env: settings })
  const app = createApp(config, process.env, silentLogger)
  const docker = new Docker()
  const open = new Set<Served>()
  const find = async (user: string) =>
    findContainer(app.engine, await resolveOwner(app.engine, identityOf(installation, user)))
  const containerOf = async (user: string) => {
    const found = await find(user)
    if (!found) throw new Error(`${user} has no container`)
    return docker.getContainer(found.id)
  }
  return {
    quick,
    installation,
    docker,
    engineInfo: await app.engine.info(),
    app,
    async serveUsers(own = {}) {
      // The line that tells its address is of level info.
      const env = {
        ...settings,
        SANDBOX_LOG_LEVEL: 'info',
        SANDBOX_PROXY_USER_HEADER: USER_HEADER,
        SANDBOX_TRUSTED_PROXIES: '127.0.0.1',
        SANDBOX_PROXY_ADMINS: OPERATOR,
        ...own,
      }
      const server = await startHttpServer({ installation, args: ['--auth', 'proxy'], env })
      const clients: McpClient[] = []
      return {
        async callerOf(user) {
          const client = await connectHttp('streamable', server.address, { [USER_HEADER]: user })
          clients.push(client)
          return async () => {
            const result = await client.callTool('shell_exec', { command: 'true' })
            if (result.isError) throw new Error(JSON.stringify(result.content))
          }
        },
        async metrics() {
          const answer = await fetch(new URL('/metrics', server.address), { headers: { [USER_HEADER]: OPERATOR } })
          return parsePrometheusText(await answer.text())
        },
        async [Symbol.asyncDispose]() {
          await Promise.all(clients.map((client) => client.close()))
          await server[Symbol.asyncDispose]()
        },
      }
    },
    async evict(user) {
      await app.engine.containers.remove((await containerOf(user)).id)
    },
    containerOf,
    stateOf: async (user) => (await find(user))?.state,
    async connect(user, own = {}) {
      const transport = new StdioClientTransport({
        command: process.execPath,
        args: [resolve(ROOT, 'dist/cli.js'), 'serve'],
        env: { ...definedOnly(process.env), ...settings, ...own, SANDBOX_USER: user },
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
