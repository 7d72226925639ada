import * as z from 'zod'

/** Parameters that several tools share. They carry the sandbox's units: seconds in, bytes out. */

/** Longest wait of one call, in seconds: below the 60 s after which MCP clients give up by default. */
export const MAX_WAIT_S = 50

export const path = z.string().describe('Absolute, or relative to /workspace.')

export const processId = z.string()

export function waitSeconds(fallback: number) {
  return z.int().min(0).max(MAX_WAIT_S).default(fallback)
}

export const encoding = z.enum(['utf-8', 'base64']).default('utf-8')

/** How a command stands, in results. */
export const status = z.enum(['running', 'exited', 'signaled', 'timed_out', 'cancelled', 'oom_killed'])
