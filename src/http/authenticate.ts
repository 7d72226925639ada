import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import type { Authenticator } from './auth/authenticator.ts'
import type { FailureLimit } from './failure-limit.ts'
import { principalOf, type Scope, setPrincipal } from './principal.ts'

/**
 * Lets requests pass whose sender is known, and notes who it is: principalOf() tells it from here on. Nothing of the body is read before.
 * Failures are limited for each address; a good credential passes whatever its neighbours do.
 */
export function authenticate(authenticator: Authenticator, failures: FailureLimit, logger: Logger): RequestHandler {
  return async (request: Request, response: Response, next: NextFunction) => {
    try {
      setPrincipal(request, await authenticator.authenticate(request))
    } catch (error) {
      if (!isSandboxError(error, 'unauthenticated')) throw error
      const refused = await failures.count(request, response, error)
      if (refused === error) {
        const problem = error.details['problem'] === 'missing' ? 'missing' : 'invalid'
        response.setHeader('WWW-Authenticate', authenticator.challenge({ problem }, request))
        if (problem === 'invalid')
          logger.info({ peer: request.ip, why: error.details['why'] }, 'a credential was refused')
      }
      throw refused
    }
    next()
  }
}

/** Lets principals pass that have the scope; 403 with `insufficient_scope` for others (RFC 6750 section 3.1). */
export function requireScope(scope: Scope, authenticator: Authenticator): RequestHandler {
  return (request: Request, response: Response, next: NextFunction) => {
    if (principalOf(request).scopes.has(scope)) return next()
    response.setHeader('WWW-Authenticate', authenticator.challenge({ problem: 'scope', scope }, request))
    throw new SandboxError('forbidden', `This needs the scope ${scope}.`, {
      hint: 'Use a credential that has it, or ask the operator for one.',
    })
  }
}
