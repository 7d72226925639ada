import type { IncomingMessage } from 'node:http'

/** What a caller may do: use their own sandbox; see the server's own numbers. */
export const SCOPES = ['sandbox:use', 'sandbox:admin'] as const
export type Scope = (typeof SCOPES)[number]

/** Who sent one HTTP request, as the configured authentication has found out. Never what the request says of itself. */
export interface Principal {
  /** The user whose sandbox it is; undefined = anonymous: each MCP session is a user of its own. */
  readonly user: string | undefined
  readonly scopes: ReadonlySet<Scope>
  /** Fires when the credential is revoked or runs out: streams that it opened end then. */
  readonly ended: AbortSignal
}

const principals = new WeakMap<IncomingMessage, Principal>()

/** Called once per request, by the authentication. */
export function setPrincipal(request: IncomingMessage, principal: Principal): void {
  principals.set(request, principal)
}

/** The principal of a request that has passed the authentication. */
export function principalOf(request: IncomingMessage): Principal {
  const principal = principals.get(request)
  if (!principal) throw new Error('A route was reached without authentication.')
  return principal
}
