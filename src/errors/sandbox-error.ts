import { ERROR_CODES, type ErrorCode, type ErrorFacts } from './codes.ts'

export interface SandboxErrorOptions {
  /** What to do, when the code's own hint is too general. */
  readonly hint?: string
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
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: SandboxErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.hint = options.hint ?? ERROR_CODES[code].hint
    this.excerpt = options.excerpt
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
