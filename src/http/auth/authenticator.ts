import type { IncomingMessage } from 'node:http'
import type { Request, RequestHandler } from 'express'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Principal, Scope } from '../principal.ts'

/** Why a request was refused, as far as the client is told (RFC 6750 section 3.1). */
export type Refusal =
  | { readonly problem: 'missing' }
  | { readonly problem: 'invalid' }
  | { readonly problem: 'scope'; readonly scope: Scope }

/** One way to find out who sent a request. */
export interface Authenticator {
  /** Rejects with `unauthenticated` when nobody known sent it, `identity_unavailable` when that cannot be told now. */
  authenticate(request: IncomingMessage): Principal | Promise<Principal>
  /** The WWW-Authenticate header for a refusal (RFC 9110 section 11.6.1: a 401 needs one). */
  challenge(refusal: Refusal, request: Request): string
  /** Answers what a client without a credential has to know. */
  readonly publicRoutes?: RequestHandler
  /** Stops what it watches. */
  close(): void
}

/** No credential came. */
export function credentialMissing(): SandboxError {
  return new SandboxError('unauthenticated', 'This server needs a credential.', { details: { problem: 'missing' } })
}

/** The same for every credential that does not hold: a stranger learns nothing of which tokens or users there are. `why` is for the log. */
export function credentialInvalid(why: string): SandboxError {
  return new SandboxError('unauthenticated', 'The credential is not valid.', { details: { problem: 'invalid', why } })
}
