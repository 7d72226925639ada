import { pino } from 'pino'
import type { Logger } from './lib/logger.ts'

/**
 * The server's logger: one JSON line per event on stderr, written at once, so that nothing is lost when the process is killed and
 * nothing of it reaches stdout, which belongs to the protocol. JSON escapes whatever control characters a name or a path holds.
 */
export function createLogger(level: string): Logger {
  const options = { level, base: { name: 'sandbox-mcp', pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }
  return pino(options, pino.destination({ fd: 2, sync: true }))
}
