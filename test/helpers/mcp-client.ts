import { Client as V2Client } from '@modelcontextprotocol/client'
import type { Transport as V2Transport } from '@modelcontextprotocol/client'
import { Client as V1Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { CallResult, ResourceContents, ResourceListing, ResourceTemplateListing } from '../../src/mcp/protocol.ts'

/** The revision that is spoken: 2025-11-25 with sessions, or 2026-07-28 without. */
export type Era = 'legacy' | 'modern'

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly onprogress?: (note: { progress: number; message?: string | undefined }) => void
  /** In milliseconds. */
  readonly timeout?: number
}

/** What tests use of an MCP client, whichever generation of the SDK it is of. */
export interface McpClient {
  readonly era: Era
  readonly instructions: string | undefined
  readonly serverVersion: { readonly name: string; readonly version: string } | undefined
  readonly capabilities: object | undefined
  listTools(): Promise<readonly { readonly name: string }[]>
  /** Errors of the tool are in the result; errors of the protocol reject, with a `code`. */
  callTool(name: string, args: Record<string, unknown>, options?: CallOptions): Promise<CallResult>
  listResources(): Promise<readonly ResourceListing[]>
  listResourceTemplates(): Promise<readonly ResourceTemplateListing[]>
  readResource(uri: string): Promise<readonly ResourceContents[]>
  /** Values for a variable of a template. */
  complete(uriTemplate: string, variable: string, value: string): Promise<readonly string[]>
  close(): Promise<void>
}

const WHO = { name: 'test', version: '9' }

/** A client of the SDK's first generation. It checks every structured result against the tool's output schema. */
export async function connectLegacy(transport: Transport): Promise<McpClient> {
  const client = new V1Client(WHO)
  await client.connect(transport)
  return adapted('legacy', client, (params, options) => client.callTool(params, undefined, options))
}

/** A client of the SDK's second generation that speaks 2026-07-28 and nothing else. */
export async function connectModern(transport: V2Transport): Promise<McpClient> {
  const client = new V2Client(WHO, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  await client.connect(transport)
  return adapted('modern', client, (params, options) => client.callTool(params, options))
}

type CallTool = (
  params: { readonly name: string; readonly arguments: Record<string, unknown> },
  options: CallOptions,
) => Promise<unknown>

/** All but the arguments of `callTool` is the same in both generations. */
async function adapted(era: Era, client: V1Client | V2Client, callTool: CallTool): Promise<McpClient> {
  // So that it knows the output schemas of the tools.
  await client.listTools()
  return {
    era,
    instructions: client.getInstructions(),
    serverVersion: client.getServerVersion(),
    capabilities: client.getServerCapabilities(),
    listTools: async () => (await client.listTools()).tools,
    callTool: async (name, args, options = {}) =>
      (await callTool({ name, arguments: args }, { ...options })) as CallResult,
    listResources: async () => (await client.listResources()).resources as ResourceListing[],
    listResourceTemplates: async () =>
      (await client.listResourceTemplates()).resourceTemplates as ResourceTemplateListing[],
    readResource: async (uri) => (await client.readResource({ uri })).contents as ResourceContents[],
    complete: async (uri, name, value) =>
      (await client.complete({ ref: { type: 'ref/resource', uri }, argument: { name, value } })).completion.values,
    close: () => client.close(),
  }
}
