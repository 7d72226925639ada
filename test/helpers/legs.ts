import { StreamableHTTPClientTransport as ModernHttpTransport } from '@modelcontextprotocol/client'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { connectLegacy, connectModern, type McpClient } from './mcp-client.ts'
import { startHttpServer, type TestHttpServer } from './start-http-server.ts'
import { TestServer } from './start-server.ts'
import { ConnectedCaller } from './tool-caller.ts'

/** The header in which tests name the user, as a reverse proxy would. */
export const USER_HEADER = 'x-test-user'

/** A server over HTTP where the user is who {@link USER_HEADER} names. */
export function startForUsers(
  installation: string,
  env: Readonly<Record<string, string>> = {},
): Promise<TestHttpServer> {
  const settings = { SANDBOX_PROXY_USER_HEADER: USER_HEADER, SANDBOX_TRUSTED_PROXIES: '127.0.0.1', ...env }
  return startHttpServer({ installation, args: ['--auth', 'proxy'], env: settings })
}

/** All ways in which MCP clients reach the server. */
export const LEGS = [
  'stdio, 2025-11-25',
  'stdio, 2026-07-28',
  'HTTP, 2025-11-25',
  'HTTP, 2026-07-28',
  'HTTP+SSE',
] as const
export type Leg = (typeof LEGS)[number]

export interface LegOptions {
  readonly installation: string
  readonly user: string
  /** Of the server that the legs of HTTP use. */
  readonly address: URL
  /** Of the server that the legs over stdio start. */
  readonly env?: Readonly<Record<string, string>>
}

/** A client on that leg, as the user. Over stdio it has a server of its own. `await using` ends both. */
export async function openLeg(leg: Leg, options: LegOptions): Promise<ConnectedCaller> {
  const { installation, user, address, env } = options
  if (leg === 'stdio, 2025-11-25' || leg === 'stdio, 2026-07-28') {
    const server = new TestServer({ installation, user, ...(env && { env }) })
    const isLegacy = leg === 'stdio, 2025-11-25'
    const client = await (isLegacy ? connectLegacy(server.transport()) : connectModern(server.transport()))
    return new ConnectedCaller(user, client, () => server[Symbol.asyncDispose]())
  }
  return new ConnectedCaller(user, await openHttp(leg, address, { [USER_HEADER]: user }))
}

/** A client of one of the legs of HTTP, with these headers on every request. */
export async function openHttp(leg: Leg, address: URL, headers: Record<string, string>): Promise<McpClient> {
  const requestInit = { headers }
  if (leg === 'HTTP, 2026-07-28')
    return connectModern(new ModernHttpTransport(new URL('/mcp', address), { requestInit }))
  if (leg === 'HTTP+SSE') return connectLegacy(new SSEClientTransport(new URL('/sse', address), { requestInit }))
  // Its property `sessionId` may be undefined, which the SDK's own type of a transport does not say.
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', address), { requestInit }) as Transport
  const client = await connectLegacy(transport)
  return {
    ...client,
    close: async () => {
      await (transport as StreamableHTTPClientTransport).terminateSession()
      await client.close()
    },
  }
}
