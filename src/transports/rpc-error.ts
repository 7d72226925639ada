import type { ServerResponse } from 'node:http'
import type { RequestId } from '@modelcontextprotocol/sdk/types.js'
import { respondJson } from '../http/present.ts'

/** Codes of JSON-RPC 2.0 (section 5.1) and of MCP's own range that the transports answer with. */
export const RPC = {
  invalidRequest: -32_600,
  server: -32_000,
  unknownSession: -32_001,
  unsupportedVersion: -32_022,
} as const

/** Answers a request that reaches no server of the SDK. */
export function respondRpcError(
  response: ServerResponse,
  status: number,
  error: { readonly code: number; readonly message: string; readonly data?: unknown },
  id: RequestId | null = null,
): void {
  respondJson(response, status, { jsonrpc: '2.0', error, id })
}

/** For a session that is not there, and for one of somebody else: nobody learns which. Clients open a new one then. */
export function respondUnknownSession(response: ServerResponse): void {
  respondRpcError(response, 404, { code: RPC.unknownSession, message: 'Session not found' })
}
