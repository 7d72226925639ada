import { StreamableHTTPClientTransport as V2StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { connectLegacy, connectModern, type McpClient } from './mcp-client.ts'

/** The ways to speak MCP over HTTP: sessions on /mcp, the older event stream, 2026-07-28 without sessions. */
export const HTTP_LEGS = ['streamable', 'sse', 'modern'] as const
export type HttpLeg = (typeof HTTP_LEGS)[number]

/** An SDK's client, connected to a server's address; the headers are sent with every request. */
export function connectHttp(leg: HttpLeg, address: URL, headers: Readonly<Record<string, string>>): Promise<McpClient> {
  const requestInit = { headers: { ...headers } }
  const mcp = new URL('/mcp', address)
  if (leg === 'modern') return connectModern(new V2StreamableHTTPClientTransport(mcp, { requestInit }))
  const transport =
    leg === 'sse'
      ? new SSEClientTransport(new URL('/sse', address), { requestInit })
      : new StreamableHTTPClientTransport(mcp, { requestInit })
  return connectLegacy(transport)
}
