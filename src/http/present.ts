import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ErrorCode } from '../errors/codes.ts'
import { newIncident } from '../errors/incident.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { isMcpTarget } from './mcp-paths.ts'
import { endWithBodyUnread, hasUnreadBody } from './unread-body.ts'

/** What an HTTP client reads of an error, outside MCP: `{"error":{"code","message","hint"}}`. */
export interface PresentedError {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
}

/** JSON-RPC 2.0 section 5.1; MCP leaves -32000 to -32099 to servers. */
const RPC_CODES: Partial<Record<ErrorCode, number>> = {
  malformed_body: -32_700,
  too_large: -32_600,
  unsupported_media_type: -32_600,
  method_not_allowed: -32_600,
  internal: -32_603,
}
const RPC_SERVER_ERROR = -32_000

/**
 * Answers with an error as JSON: JSON-RPC where MCP clients listen, `{"error":{…}}` elsewhere, the status of its code in both. The text of
 * an unexpected error may name paths or addresses of the host, so the client gets an incident id and the log has the rest. Where an answer
 * has begun already the connection is cut, since nothing else tells the client that it is not whole.
 */
export function respondError(response: ServerResponse, error: unknown, logger: Logger): void {
  const request = response.req
  const known = knownError(error, request, logger)
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { code, message, hint, facts, retryAfterMs } = known
  if (retryAfterMs !== undefined) response.setHeader('Retry-After', Math.ceil(retryAfterMs / 1000))
  const body = isMcpTarget(targetOf(request))
    ? {
        jsonrpc: '2.0',
        error: {
          code: RPC_CODES[code] ?? RPC_SERVER_ERROR,
          message: `${code}: ${message} ${hint}`,
          data: { code, hint },
        },
        id: null,
      }
    : { error: { code, message, hint } satisfies PresentedError }
  respondJson(response, facts.httpStatus, body)
}

/** Answers with JSON. What the client still sends is not waited for. */
export function respondJson(response: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value)
  response.statusCode = status
  response.setHeader('Content-Type', 'application/json; charset=utf-8')
  response.setHeader('Content-Length', Buffer.byteLength(text))
  if (hasUnreadBody(response.req)) endWithBodyUnread(response, text)
  else response.end(text)
}

function knownError(error: unknown, request: IncomingMessage, logger: Logger): SandboxError {
  const scene = { method: request.method }
  if (isSandboxError(error) && error.code !== 'internal') {
    const { code, facts, details, cause } = error
    const level = facts.kind === 'unavailable' ? 'warn' : 'debug'
    logger[level]({ ...scene, code, details, cause }, error.message)
    return error
  }
  // Express decodes the parameters of a path, and throws where that fails.
  if (error instanceof URIError) return new SandboxError('invalid_argument', 'The path is not valid percent-encoding.')
  const incident = newIncident()
  logger.error({ ...scene, incident, err: error }, 'A request failed by a fault of the server.')
  return new SandboxError('internal', 'The server failed.', {
    hint: `Try again; if it persists, tell the operator of incident ${incident}.`,
  })
}

/** The target as it was sent, whatever router it has come to. */
function targetOf(request: IncomingMessage): string | undefined {
  return 'originalUrl' in request && typeof request.originalUrl === 'string' ? request.originalUrl : request.url
}
