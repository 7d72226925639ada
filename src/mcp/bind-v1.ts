import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  ErrorCode,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { oneLine } from '../lib/visible-text.ts'
import type { Caller } from '../registry/caller.ts'
import { protocolFault } from './protocol-fault.ts'
import { MAX_COMPLETIONS } from './resources.ts'
import type { McpService } from './service.ts'

/** The protocol's own code (MCP 2025-11-25, server/resources, "Error Handling"); the SDK has no name for it. */
const RESOURCE_NOT_FOUND = -32_002
const CODES = { invalid: ErrorCode.InvalidParams, not_found: RESOURCE_NOT_FOUND, failed: ErrorCode.InternalError }

/**
 * The service for one connection of a client that speaks 2025-11-25 or older (`initialize`, sessions), on the SDK's first generation.
 * Cheap to make, without side effects or state of its own.
 */
export async function bindV1(service: McpService, caller: Caller): Promise<Server> {
  const { logger, resources } = service
  const server = new Server(service.info, {
    capabilities: { tools: {}, resources: {}, ...(resources.canComplete ? { completions: {} } : {}) },
    instructions: await service.instructions(caller),
  })
  // The SDK's one hook for this; it is no event target. Clients can cause as many of these as they like.
  // oxlint-disable-next-line unicorn/prefer-add-event-listener
  server.onerror = (err) => logger.debug({ err, ...caller }, 'A message could not be read or sent.')

  server.oninitialized = () => service.connected(caller)

  /** Errors of a request as the protocol has them. */
  const answered = async <T>(request: string, answer: () => Promise<T>): Promise<T> => {
    try {
      return await answer()
    } catch (error) {
      const { kind, message } = protocolFault(error, { ...caller, request }, logger)
      throw new McpError(CODES[kind], message)
    }
  }

  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [...service.definitions] }))

  server.setRequestHandler(CallToolRequestSchema, ({ params }, { signal, sendNotification }) => {
    // oxlint-disable-next-line no-underscore-dangle -- the protocol's name
    const progressToken = params._meta?.progressToken
    const client = server.getClientVersion()
    return answered('tools/call', () =>
      service.callTool({
        caller: client ? { ...caller, client: oneLine(`${client.name} ${client.version}`, 80) } : caller,
        name: params.name,
        args: params.arguments,
        signal,
        progress:
          progressToken === undefined
            ? undefined
            : (note) => {
                sendNotification({ method: 'notifications/progress', params: { progressToken, ...note } }).catch(
                  (err: unknown) => logger.debug({ err }, 'A progress notification was not sent.'),
                )
              },
      }),
    )
  })

  server.setRequestHandler(ListResourcesRequestSchema, (_request, { signal }) =>
    answered('resources/list', async () => ({ resources: [...(await resources.list(caller, signal))] })),
  )
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: [...resources.templates] }))
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }, { signal }) =>
    answered('resources/read', async () => ({ contents: [...(await resources.read(caller, uri, signal))] })),
  )
  if (resources.canComplete) {
    server.setRequestHandler(CompleteRequestSchema, ({ params: { ref, argument } }, { signal }) =>
      answered('completion/complete', async () => {
        if (ref.type !== 'ref/resource') return { completion: { values: [] } }
        const { name: variable, value } = argument
        const values = await resources.complete(caller, { uriTemplate: ref.uri, variable, value }, signal)
        return {
          completion: { values: values.slice(0, MAX_COMPLETIONS), hasMore: values.length > MAX_COMPLETIONS },
        }
      }),
    )
  }
  return server
}
