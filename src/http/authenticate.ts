import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { Authenticator } from './auth/authenticator.ts'
import { principalOf, type Scope, setPrincipal } from './principal.ts'

/** Lets requests pass whose sender is known, and notes who it is: principalOf() tells it from here on. Nothing of the body is read before. */
export function authenticate(authenticator: Authenticator): RequestHandler {
  return async (request: Request, response: Response, next: NextFunction) => {
    try {
      setPrincipal(request, await authenticator.authenticate(request))
    } catch (error) {
      if (isSandboxError(error, 'unauthenticated')) {
        const problem = error.details['problem'] === 'missing' ? 'missing' : 'invalid'
        response.setHeader('WWW-Authenticate', authenticator.challenge({ problem }))
      }
      throw error
    }
    next()
  }
}

/** Lets principals pass that have the scope; 403 with `insufficient_scope` for others (RFC 6750 section 3.1). */
export function requireScope(scope: Scope, authenticator: Authenticator): RequestHandler {
  return (request: Request, response: Response, next: NextFunction) => {
    if (principalOf(request).scopes.has(scope)) return next()
    response.setHeader('WWW-Authenticate', authenticator.challenge({ problem: 'scope', scope }))
    throw new SandboxError('forbidden', `This needs the scope ${scope}.`, {
      hint: 'Use a credential that has it, or ask the operator for one.',
    })
  }
}
