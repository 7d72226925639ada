import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request, Response } from 'express'
import { addressOf, createFailureLimit } from '../http/failure-limit.ts'
import { principalOf } from '../http/principal.ts'
import { respondUnknownSession } from './rpc-error.ts'

/** Of one user. All sessions of a user are unknown after a restart, and each client asks once or twice before it opens a new one. */
const MISSES_PER_MINUTE = 600

/** Answers requests for sessions that are not there, or somebody else's: 404, and 429 to a caller who tries one id after the other. */
export class UnknownSessions {
  readonly #misses = createFailureLimit({ perMinute: MISSES_PER_MINUTE, keyOf: callerOf })

  async refuse(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // What routes get is express's.
    const limited = await this.#misses.count(request as Request, response as Response, undefined)
    if (limited !== undefined) throw limited
    respondUnknownSession(response)
  }

  close(): void {
    this.#misses.close()
  }
}

function callerOf(request: Request): string {
  const { user } = principalOf(request)
  return user === undefined ? `address ${addressOf(request)}` : `user ${user}`
}
