import { ERROR_CODES, type ErrorCode, type ErrorFacts } from './codes.ts'

export interface SandboxErrorOptions {
  /** What to do, when the code's own hint is too general. */
  readonly hint?: string
  /** When the same call may do better, in milliseconds from now; an HTTP front says it as Retry-After (RFC 9110 §10.2.3). */
  readonly retryAfterMs?: number
  /** A piece of the user's own data that helps, safe to show and bounded. For the model only: never in the log. */
  readonly excerpt?: string
  /** For the log only: never shown to a model. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * The only error class. The message is ours and safe to show: no host path, no socket, no text from a sandbox or a third
 * party; paths that the caller gave may appear, escaped and bounded.
 */
export class SandboxError extends Error {
  override readonly name = 'SandboxError'
  readonly code: ErrorCode
  readonly hint: string
  readonly excerpt: string | undefined
  readonly retryAfterMs: number | undefined
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: SandboxErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.hint = options.hint ?? ERROR_CODES[code].hint
    this.excerpt = options.excerpt
    this.retryAfterMs = options.retryAfterMs
    this.details = options.details ?? {}
  }

  get facts(): ErrorFacts {
    return ERROR_CODES[this.code]
  }
}

/** True for our own error, of the given code when one is named. */
export function isSandboxError(error: unknown, code?: ErrorCode): error is SandboxError {
  return error instanceof SandboxError && (code === undefined || error.code === code)
}

/** The code under which an error is told and counted: whatever is not ours is a fault of the server. */
export function codeOf(error: unknown): ErrorCode {
  return isSandboxError(error) ? error.code : 'internal'
}
