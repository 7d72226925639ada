import { CLIENT_INFO_META_KEY, ProtocolError, ProtocolErrorCode, Server } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { oneLine } from '../lib/visible-text.ts'
import type { Caller } from '../registry/caller.ts'
import { protocolFault } from './protocol-fault.ts'
import { MAX_COMPLETIONS } from './resources.ts'
import type { McpService } from './service.ts'

/** A missing resource has no number of its own any more (MCP 2026-07-28, server/resources, "Error Handling"). */
const CODES = {
  invalid: ProtocolErrorCode.InvalidParams,
  not_found: ProtocolErrorCode.InvalidParams,
  failed: ProtocolErrorCode.InternalError,
}

/** Tools and instructions of a configuration do not change while the server runs; they may differ between users. */
const LASTING = { ttlMs: 5 * 60_000, cacheScope: 'private' } as const
/** Files change with every call. */
const PASSING = { ttlMs: 0, cacheScope: 'private' } as const

/**
 * The service for clients that speak 2026-07-28, on the SDK's second generation: one server per request over HTTP, one per connection
 * over stdio. Cheap to make, without side effects or state of its own.
 */
export async function bindV2(service: McpService, caller: Caller): Promise<Server> {
  const { logger, resources } = service
  const server = new Server(service.info, {
    capabilities: { tools: {}, resources: {}, ...(resources.canComplete ? { completions: {} } : {}) },
    instructions: await service.instructions(caller),
    cacheHints: {
      'server/discover': LASTING,
      'tools/list': LASTING,
      'resources/templates/list': LASTING,
      'resources/list': PASSING,
      'resources/read': PASSING,
    },
  })
  // The SDK's one hook for this; it is no event target. Clients can cause as many of these as they like.
  // oxlint-disable-next-line unicorn/prefer-add-event-listener
  server.onerror = (err) => logger.debug({ err, ...caller }, 'A message could not be read or sent.')

  /** Errors of a request as the protocol has them. */
  const answered = async <T>(request: string, answer: () => Promise<T>, data?: object): Promise<T> => {
    try {
      return await answer()
    } catch (error) {
      const { kind, message } = protocolFault(error, { ...caller, request }, logger)
      throw new ProtocolError(CODES[kind], message, kind === 'not_found' ? data : undefined)
    }
  }

  server.setRequestHandler('tools/list', () => ({ tools: [...service.definitions] }))

  server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
    // oxlint-disable-next-line no-underscore-dangle -- the protocol's name
    const progressToken = mcpReq._meta?.progressToken
    const client = clientName(mcpReq.envelope)
    const call = whileAnswering(mcpReq.signal)
    try {
      return await answered('tools/call', () =>
        service.callTool({
          caller: client === undefined ? caller : { ...caller, client },
          name: params.name,
          args: params.arguments,
          signal: call.signal,
          progress:
            progressToken === undefined
              ? undefined
              : (note) => {
                  mcpReq
                    .notify({ method: 'notifications/progress', params: { progressToken, ...note } })
                    .catch((err: unknown) => logger.debug({ err }, 'A progress notification was not sent.'))
                },
        }),
      )
    } finally {
      call.answered()
    }
  })

  server.setRequestHandler('resources/list', (_request, { mcpReq }) =>
    answered('resources/list', async () => ({ resources: [...(await resources.list(caller, mcpReq.signal))] })),
  )
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: [...resources.templates] }))
  server.setRequestHandler('resources/read', ({ params: { uri } }, { mcpReq }) =>
    answered('resources/read', async () => ({ contents: [...(await resources.read(caller, uri, mcpReq.signal))] }), {
      uri,
    }),
  )
  if (resources.canComplete) {
    server.setRequestHandler('completion/complete', ({ params: { ref, argument } }, { mcpReq }) =>
      answered('completion/complete', async () => {
        if (ref.type !== 'ref/resource') return { completion: { values: [] } }
        const { name: variable, value } = argument
        const values = await resources.complete(caller, { uriTemplate: ref.uri, variable, value }, mcpReq.signal)
        return {
          completion: { values: values.slice(0, MAX_COMPLETIONS), hasMore: values.length > MAX_COMPLETIONS },
        }
      }),
    )
  }
  return server
}

const ClientInfo = z.object({ [CLIENT_INFO_META_KEY]: z.object({ name: z.string(), version: z.string() }) })

/** Each request names its client, if it wants to (MCP 2026-07-28, basic, "_meta"). */
function clientName(envelope: unknown): string | undefined {
  const { data } = ClientInfo.safeParse(envelope)
  const info = data?.[CLIENT_INFO_META_KEY]
  return info && oneLine(`${info.name} ${info.version}`, 80)
}

/**
 * A signal that follows the SDK's until the answer is there. The SDK's own fires after every answer too, when it closes the connection of
 * that request: whatever outlives the call (a command in the background) must not take that for a cancel.
 */
function whileAnswering(source: AbortSignal): { signal: AbortSignal; answered: () => void } {
  const controller = new AbortController()
  const abort = () => controller.abort(source.reason)
  if (source.aborted) abort()
  source.addEventListener('abort', abort, { once: true })
  return { signal: controller.signal, answered: () => source.removeEventListener('abort', abort) }
}
