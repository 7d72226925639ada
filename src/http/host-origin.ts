import { isIP } from 'node:net'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import type { Config } from '../config/settings.ts'
import { SandboxError } from '../errors/sandbox-error.ts'

export type HostOriginConfig = Pick<Config, 'host' | 'allowedHosts' | 'allowedOrigins' | 'publicUrl'>

const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]']
/** Stand for every address of the machine, and name none. */
const ANY_ADDRESS = ['0.0.0.0', '::']
/** reg-name, IPv4 or bracketed IPv6, and a port (RFC 9110 section 7.2, RFC 3986 section 3.2). */
const HOST = /^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/
/** A preflight's answer is good for this long, in seconds. */
const PREFLIGHT_MAX_AGE_S = 600
const CORS_METHODS = 'GET, HEAD, POST, PUT, DELETE'
/** What a page may read beside the headers that every page may. */
const CORS_EXPOSED = 'Mcp-Session-Id, WWW-Authenticate, ETag, Retry-After, Content-Range'

/**
 * Refuses requests that a web page of a stranger may have sent, before anything is read of their body. Names of this server alone may be in
 * Host, so that a page cannot reach it under a name of its own (DNS rebinding); Origin, which browsers send, has to be this server's own or
 * a listed one (cross-site requests). Programs send no Origin, and pass.
 *
 * The port of the Host does not matter, as port forwarding changes it. An Origin is this server's own when it is the request's own Host,
 * port included: another port of the same machine is another origin. Listed origins get CORS answers (Fetch standard, "HTTP extensions").
 */
export function checkHostAndOrigin(config: HostOriginConfig): RequestHandler {
  const publicUrl = config.publicUrl === '' ? undefined : new URL(config.publicUrl)
  const hosts = new Set([...LOOPBACK_HOSTS, ...config.allowedHosts])
  if (!ANY_ADDRESS.includes(config.host)) hosts.add(asHost(config.host))
  if (publicUrl) hosts.add(publicUrl.hostname)
  const origins = new Set(config.allowedOrigins)

  return (request: Request, response: Response, next: NextFunction) => {
    const host = soleHost(request)
    if (!hosts.has(hostname(host))) {
      throw new SandboxError('forbidden', 'This server does not go by the name in the Host header.', {
        hint: 'Use the address that the server listens on; the operator can allow more names (allowedHosts, publicUrl).',
      })
    }
    const origin = request.headers.origin
    if (origin === undefined) return next()
    if (origins.has(origin)) {
      allowOrigin(response, origin)
      if (isPreflight(request)) return answerPreflight(request, response)
      return next()
    }
    if (origin !== publicUrl?.origin && !isOwnOrigin(origin, host)) {
      throw new SandboxError('forbidden', 'Pages of this origin may not call the server.', {
        hint: 'The operator can allow it (allowedOrigins).',
      })
    }
    next()
  }
}

/** The one Host of a request in origin form. Several, none, or one in the target as well would let two programs read different ones. */
function soleHost(request: Request): string {
  const [host, ...more] = request.headersDistinct['host'] ?? []
  if (host === undefined || more.length > 0 || !HOST.test(host)) {
    throw new SandboxError('invalid_argument', 'The request needs one Host header with a host and at most a port.')
  }
  // RFC 9112 section 3.2.1; the absolute form is for proxies, the asterisk form for OPTIONS of no resource.
  if (!request.originalUrl.startsWith('/') || request.originalUrl.startsWith('//')) {
    throw new SandboxError('invalid_argument', 'The request target has to be a path.')
  }
  return host.toLowerCase()
}

function hostname(host: string): string {
  return HOST.exec(host)?.[1] ?? ''
}

/** An address as it is written in a Host header. */
function asHost(address: string): string {
  return isIP(address) === 6 ? `[${address.toLowerCase()}]` : address.toLowerCase()
}

/** The scheme is not compared: behind a proxy that ends TLS this server does not know it. */
function isOwnOrigin(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`
}

function allowOrigin(response: Response, origin: string): void {
  response.setHeader('Access-Control-Allow-Origin', origin)
  response.setHeader('Access-Control-Expose-Headers', CORS_EXPOSED)
  response.vary('Origin')
}

function isPreflight(request: Request): boolean {
  return request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined
}

/** Answered before the authentication, as browsers send preflights without credentials. */
function answerPreflight(request: Request, response: Response): void {
  response.setHeader('Access-Control-Allow-Methods', CORS_METHODS)
  const wanted = request.headers['access-control-request-headers']
  if (wanted !== undefined) response.setHeader('Access-Control-Allow-Headers', wanted)
  response.vary('Access-Control-Request-Headers')
  response.setHeader('Access-Control-Max-Age', PREFLIGHT_MAX_AGE_S)
  response.status(204).end()
}
