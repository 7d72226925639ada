import type { Request, Response } from 'express'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { type Principal, principalOf } from '../principal.ts'
import type { Authority } from './scene.ts'

export interface AuthorityDeps {
  /** The user of a live MCP session that this principal has opened, whose use this answer is; undefined for any other id, alike. */
  readonly userOfSession: (sessionId: string, principal: Principal, response: Response) => string | undefined
  /** Whose files an anonymous request without a session is about; undefined: nobody's. */
  readonly anonymousUser: string | undefined
}

/**
 * Whose files a request is about: the user of its credential. An anonymous one names its MCP session (`Mcp-Session-Id`), whose sandbox is a
 * user's of its own, or else is the configured user's, where everybody who reaches the server is the person at this machine.
 */
export function authorityOf(deps: AuthorityDeps): (request: Request, response: Response) => Authority {
  return (request, response) => {
    const principal = principalOf(request)
    const { ended } = principal
    if (principal.user !== undefined) return { user: principal.user, ended }
    const sessionId = request.get('mcp-session-id')
    const user = sessionId === undefined ? deps.anonymousUser : deps.userOfSession(sessionId, principal, response)
    if (user !== undefined) return { user, ended }
    throw sessionId === undefined
      ? new SandboxError('invalid_argument', 'The request does not say whose files it is about.', {
          hint: 'Send the Mcp-Session-Id of your session, or use a URL that upload (ticket) or download gave.',
        })
      : new SandboxError('not_found', 'There is no such session.', { hint: 'Initialize again.' })
  }
}
