import { parseDuration } from '../../src/lib/units.ts'
import type { CallResult } from '../../src/mcp/protocol.ts'

/** The server had no place, and says so with a code: nothing was done, and the client may come back. */
export interface Refusal {
  readonly code: string
  /** What the server said; undefined when it did not say when to come back. */
  readonly retryAfterMs: number | undefined
}

/** Codes that mean "not now, and nothing was done". `sandbox_stopped` is none: what became of its command is unknown. */
const CODES = ['sandbox_limit', 'rate_limited', 'sandbox_starting'] as const
const REFUSED = new RegExp(`^(?:\\[[^\\]]*\\]\\n)?(${CODES.join('|')}): (.*)`)
const REFUSED_BY_HTTP = new RegExp(`"(${CODES.join('|')})"|\\b(${CODES.join('|')}): `)
const WHEN = /\bin (\d+(?:\.\d+)? ?(?:ms|s|min|h))\b/

/** The refusal that a result is, if it is one. */
export function refusalOf({ isError, content: [first] }: CallResult): Refusal | undefined {
  if (isError !== true || first?.type !== 'text') return undefined
  const [, code, text = ''] = REFUSED.exec(first.text) ?? []
  return code === undefined ? undefined : { code, retryAfterMs: whenToComeBack(text) }
}

/** The refusal that an error of the client's transport is, when the server answered the request itself with one. */
export function refusalInError(error: unknown): Refusal | undefined {
  const text = error instanceof Error ? error.message : ''
  const [, quoted, plain] = REFUSED_BY_HTTP.exec(text) ?? []
  const code = quoted ?? plain
  return code === undefined ? undefined : { code, retryAfterMs: whenToComeBack(text) }
}

function whenToComeBack(text: string): number | undefined {
  const told = WHEN.exec(text)?.[1]
  return told === undefined ? undefined : parseDuration(told.replace('min', 'm'))
}
