import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'

/** Each request of MCP 2026-07-28 names its revision here (basic, "_meta"); older ones have no such thing. */
const REVISION = 'io.modelcontextprotocol/protocolVersion'

/** True for the request with which a client of 2026-07-28 finds out what a server is: it has no sessions, and this is where one would begin. */
export function isDiscovery(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'method' in body && body.method === 'server/discover'
}

/** True for a message that claims to be of 2026-07-28 or later, whether or not the claim is sound. */
export function isModern(message: JSONRPCMessage): boolean {
  if (!('params' in message)) return false
  // oxlint-disable-next-line no-underscore-dangle -- the protocol's name
  const meta: unknown = message.params?._meta
  return typeof meta === 'object' && meta !== null && REVISION in meta
}
