import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  ErrorCode,
  ListResourcesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  type Tool as McpTool,
} from '@modelcontextprotocol/sdk/types.js'
import { oneLine } from '../lib/visible-text.ts'
import type { Caller } from '../registry/caller.ts'
import type { RuntimeInfo } from '../registry/runtime-info.ts'
import type { Tool } from '../tools/tool.ts'
import { type CallDeps, callTool } from './call-tool.ts'
import { ProgressBeats } from './progress.ts'
import { readRuntimeResource, RUNTIME_RESOURCE, RUNTIME_URI } from './runtime-resource.ts'

/** The protocol's own code (MCP 2025-11-25, server/resources, "Error Handling"); the SDK has no name for it. */
const RESOURCE_NOT_FOUND = -32_002

export interface ServerDeps extends CallDeps {
  readonly tools: readonly Tool[]
  /** From toolDefinitions(): made once, not per connection. */
  readonly definitions: McpTool[]
  readonly instructions: string
  /** What the caller's runtime is; starts nothing. */
  readonly runtime: () => Promise<RuntimeInfo>
  readonly version: string
  /** Whose calls come over this connection. */
  readonly caller: Caller
}

/** The MCP server of one connection: cheap to make, free of side effects, and without state of its own. No sandbox starts before a call needs one. */
export function buildServer(deps: ServerDeps): Server {
  const { logger, definitions } = deps
  const tools = new Map(deps.tools.map((tool) => [tool.name, tool]))
  const server = new Server(
    { name: 'sandbox-mcp', title: 'Sandbox', version: deps.version },
    { capabilities: { tools: {}, resources: {} }, instructions: deps.instructions },
  )
  // The SDK's one hook for this; it is no event target.
  // oxlint-disable-next-line unicorn/prefer-add-event-listener
  server.onerror = (err) => logger.warn({ err }, 'A message could not be read or sent.')

  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: definitions }))

  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: [RUNTIME_RESOURCE] }))

  server.setRequestHandler(ReadResourceRequestSchema, async ({ params }) => {
    if (params.uri === RUNTIME_URI) return readRuntimeResource(await deps.runtime())
    throw new McpError(RESOURCE_NOT_FOUND, `Unknown resource ${oneLine(params.uri, 80)}: there is ${RUNTIME_URI}.`)
  })

  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal, sendNotification }) => {
    const tool = tools.get(params.name)
    if (!tool) {
      const known = [...tools.keys()].join(', ')
      throw new McpError(ErrorCode.InvalidParams, `Unknown tool ${oneLine(params.name, 80)}: there are ${known}.`)
    }
    // oxlint-disable-next-line no-underscore-dangle -- the protocol's name
    const progressToken = params._meta?.progressToken
    const beats =
      progressToken === undefined
        ? undefined
        : new ProgressBeats((note) => {
            sendNotification({ method: 'notifications/progress', params: { progressToken, ...note } }).catch(
              (err: unknown) => logger.debug({ err }, 'A progress notification was not sent.'),
            )
          })
    const client = server.getClientVersion()
    const caller = client ? { ...deps.caller, client: oneLine(`${client.name} ${client.version}`, 80) } : deps.caller
    try {
      return await callTool(deps, { tool, caller, args: params.arguments, signal, onProgress: beats?.note })
    } finally {
      beats?.stop()
    }
  })
  return server
}
