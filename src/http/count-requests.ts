import type { RequestHandler } from 'express'
import type { Telemetry } from '../lib/telemetry.ts'

/** First segments of the paths that there are. Any other is told as one: a client could make up as many as it likes. */
const ROUTES = new Set([
  'mcp',
  'sse',
  'messages',
  'files',
  'upload',
  't',
  'healthz',
  'readyz',
  'metrics',
  '.well-known',
])
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'])
/** For a request whose client left before it was answered (nginx's code; no RFC has one). */
const CLIENT_GONE = 499

/** Tells of each request when its response has ended, whoever answered it. Stands before everything else. */
export function countRequests(telemetry: Telemetry): RequestHandler {
  return (request, response, next) => {
    const started = performance.now()
    const { method } = request
    const route = routeOf(request.url)
    response.once('close', () => {
      const status = response.headersSent ? response.statusCode : CLIENT_GONE
      const ms = performance.now() - started
      telemetry.httpRequest(METHODS.has(method) ? method : 'other', route, status, ms)
    })
    next()
  }
}

function routeOf(url: string): string {
  const segment = /^\/+([^/?#]*)/.exec(url)?.[1]?.toLowerCase() ?? ''
  return ROUTES.has(segment) ? `/${segment}` : 'other'
}
