import type { IncomingMessage } from 'node:http'
import { credentialInvalid, credentialMissing, type Refusal } from './authenticator.ts'

/** RFC 6750 section 2.1; the scheme is case-insensitive (RFC 9110 section 11.1). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i
/** Above every token that is in use; below what a header may hold. */
const MAX_TOKEN_CHARACTERS = 8192

/**
 * The token of a request, from the Authorization header alone: query strings end up in logs and histories, and cookies are sent by browsers
 * without anybody's doing (RFC 9700 section 4.3.2, MCP authorization "Token Requirements").
 */
export function bearerToken(request: IncomingMessage): string {
  const [header, ...more] = request.headersDistinct['authorization'] ?? []
  if (header === undefined) throw credentialMissing()
  if (more.length > 0) throw credentialInvalid('several Authorization headers')
  const token = header.length > MAX_TOKEN_CHARACTERS ? undefined : BEARER.exec(header)?.[1]
  if (token === undefined) throw credentialInvalid('not a bearer token')
  return token
}

/** The challenge of RFC 6750 section 3; without an error code where no credential came, as section 3.1 wants. */
export function bearerChallenge(refusal: Refusal, resourceMetadata?: string): string {
  const parts = ['realm="sandbox-mcp"']
  if (resourceMetadata !== undefined) parts.push(`resource_metadata="${resourceMetadata}"`)
  if (refusal.problem === 'invalid') parts.push('error="invalid_token"')
  if (refusal.problem === 'scope') parts.push('error="insufficient_scope"', `scope="${refusal.scope}"`)
  return `Bearer ${parts.join(', ')}`
}
