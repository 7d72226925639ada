import { bytes, duration, integer } from '../fields.ts'
import type { Settings } from './setting.ts'

/** How long and how large the requests of an HTTP client may be. */
export const HTTP_LIMITS = {
  bodyLimit: {
    schema: bytes(64 * 1024),
    fallback: '8MiB',
    about: 'Largest message of an MCP client over HTTP: what one write_file can carry, as JSON.',
  },
  bodyTimeout: {
    schema: duration(100),
    fallback: '30s',
    about: 'Time for a whole message of an MCP client to arrive over HTTP, and longest pause within an upload.',
  },
  headersTimeout: {
    schema: duration(100),
    fallback: '15s',
    about: 'Time for the headers of an HTTP request to arrive.',
  },
  keepAliveTimeout: {
    schema: duration(100),
    fallback: '75s',
    about: 'How long an HTTP connection without a request stays open. Longer than that of a reverse proxy in front.',
  },
  maxConnections: {
    schema: integer(1, 1_000_000),
    fallback: 2000,
    about: 'HTTP connections that may be open at once.',
  },
} as const satisfies Settings
