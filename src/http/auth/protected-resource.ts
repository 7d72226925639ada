import type { Request, RequestHandler } from 'express'
import type { Config } from '../../config/settings.ts'
import { respondJson } from '../present.ts'
import { SCOPES } from '../principal.ts'

export type ResourceConfig = Pick<Config, 'publicUrl' | 'jwtIssuer' | 'tlsCert'>

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/**
 * Tells clients which authorization servers give tokens for this server (RFC 9728; MCP authorization makes it a must). Each URL that clients
 * connect to has a document of its own, whose `resource` is that URL: /mcp at `…/oauth-protected-resource/mcp`, the server as a whole at the
 * bare name (section 3.1).
 */
export class ProtectedResource {
  readonly #config: ResourceConfig

  constructor(config: ResourceConfig) {
    this.#config = config
  }

  /** The document of /mcp, which a challenge names (RFC 9728 section 5.1). */
  metadataUrl(request: Request): string {
    const base = this.#base(request)
    return `${base.origin}${WELL_KNOWN}${pathOf(base)}/mcp`
  }

  /** Answers before the authentication: who has no token yet has to find out where to get one. */
  readonly route: RequestHandler = (request, response, next) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return next()
    const base = this.#base(request)
    const resource = this.#resourceOf(request.path, base)
    if (resource === undefined) return next()
    respondJson(response, 200, {
      resource,
      authorization_servers: this.#config.jwtIssuer,
      scopes_supported: SCOPES,
      bearer_methods_supported: ['header'],
      resource_name: 'sandbox-mcp',
    })
  }

  /** A proxy that strips a prefix of the path may leave it in the well-known one or not, so both are known. */
  #resourceOf(path: string, base: URL): string | undefined {
    if (!path.startsWith(WELL_KNOWN)) return undefined
    const suffix = path.slice(WELL_KNOWN.length)
    const prefix = pathOf(base)
    for (const endpoint of ['/mcp', '/sse', '']) {
      if (suffix === endpoint || suffix === `${prefix}${endpoint}`) return `${base.origin}${prefix}${endpoint}`
    }
    return undefined
  }

  /** Without a configured URL the one that the client used, whose host is on the list of allowed ones. */
  #base(request: Request): URL {
    const { publicUrl, tlsCert } = this.#config
    return new URL(publicUrl === '' ? `${tlsCert === '' ? 'http' : 'https'}://${request.headers.host}` : publicUrl)
  }
}

/** Without a slash at its end. */
function pathOf({ pathname }: URL): string {
  return pathname.replace(/\/+$/, '')
}
