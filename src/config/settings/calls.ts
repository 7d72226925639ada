import { duration, integer } from '../fields.ts'
import type { Settings } from './setting.ts'

/** How many sessions and calls there may be at once. */
export const CALLS = {
  sessionIdle: {
    schema: duration(1000),
    fallback: '30m',
    about:
      'Idle time after which an MCP session over HTTP ends: no request, no open stream. The sandbox stays, unless the caller has no name.',
  },
  maxSessions: {
    schema: integer(1, 1_000_000),
    fallback: 1000,
    about: 'MCP sessions over HTTP that may be open at once.',
  },
  maxSessionsPerUser: {
    schema: integer(1, 1_000_000),
    fallback: 100,
    about: 'MCP sessions of one user. For a further one the one that was idle longest ends.',
  },
  maxCalls: {
    schema: integer(1, 100_000),
    fallback: 200,
    about:
      'Calls of all users that may run at once, those that only wait for a command included. Further ones wait, and users take turns.',
  },
  maxCallsPerUser: { schema: integer(1, 100_000), fallback: 32, about: 'Calls of one user that may run at once.' },
  queueTimeout: {
    schema: duration(0),
    fallback: '10s',
    about:
      'How long a call beyond these caps, or beyond maxRunning, waits for its place before it is refused with sandbox_limit.',
  },
} as const satisfies Settings
