import type { Request, Response } from 'express'
import { ipKeyGenerator, MemoryStore, rateLimit } from 'express-rate-limit'
import { SandboxError } from '../errors/sandbox-error.ts'

export interface FailureLimitOptions {
  /** Failures of one key within a minute that are answered as what they are. */
  readonly perMinute: number
  /** Whose failures are counted together; the address of the client when there is nothing better. */
  readonly keyOf?: (request: Request) => string
}

/** Counts failures, and only failures: what succeeds is never slowed, whoever shares its address. */
export interface FailureLimit {
  /** Counts one failure. Resolves with the error to answer with: the given one, or `rate_limited` with a Retry-After header set. */
  count(request: Request, response: Response, error: unknown): Promise<unknown>
  close(): void
}

const WINDOW_MS = 60_000

/**
 * A limit on guessing, of credentials or ids, and on what guesses cost in work and log lines. Guesses have no hope anyway at 128 bits and
 * more; that is the protection, and this keeps them cheap. IPv6 addresses count by their /56, which is what one customer has.
 */
export function createFailureLimit({ perMinute, keyOf = addressOf }: FailureLimitOptions): FailureLimit {
  const store = new MemoryStore()
  const limited = new SandboxError('rate_limited', 'Too many attempts failed.')
  const limit = rateLimit({
    windowMs: WINDOW_MS,
    limit: perMinute,
    keyGenerator: keyOf,
    store,
    // Its other checks print to the console; what they look for is this file's matter.
    validate: false,
    legacyHeaders: false,
    // For Retry-After.
    standardHeaders: 'draft-6',
    handler: (_request, _response, next) => next(limited),
  })
  return {
    count: (request, response, error) =>
      new Promise((resolve) => {
        void limit(request, response, (refused?: unknown) => resolve(refused ?? error))
      }),
    close: () => store.shutdown(),
  }
}

/** The client's address: that of the peer, or what a trusted proxy says. */
export function addressOf(request: Request): string {
  return ipKeyGenerator(request.ip ?? '')
}
