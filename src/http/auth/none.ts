import type { Principal } from '../principal.ts'
import type { Authenticator } from './authenticator.ts'
import { bearerChallenge } from './bearer.ts'

/** Everybody who reaches the server may use it, and nobody has a name. For loopback, where the machine's own users are the boundary. */
export function authenticateNobody(): Authenticator {
  const anybody: Principal = {
    user: undefined,
    scopes: new Set(['sandbox:use', 'sandbox:admin']),
    ended: new AbortController().signal,
  }
  return { authenticate: () => anybody, challenge: (refusal) => bearerChallenge(refusal), close: () => {} }
}
