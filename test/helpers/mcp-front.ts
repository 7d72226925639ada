import { onTestFinished } from 'vitest'
import type { Authenticator } from '../../src/http/auth/authenticator.ts'
import type { Principal } from '../../src/http/principal.ts'
import { bindV1 } from '../../src/mcp/bind-v1.ts'
import { bindV2 } from '../../src/mcp/bind-v2.ts'
import type { AnonymousUser } from '../../src/registry/anonymous.ts'
import { createMcpRoutes, type McpRoutes, type McpRoutesDeps } from '../../src/transports/mcp-routes.ts'
import type { SessionLimits } from '../../src/transports/sessions.ts'
import type { FakeProvider } from './fake-provider.ts'
import { startFront } from './http-front.ts'
import { type TestService, testService } from './test-service.ts'

/** Takes every bearer token for the name of its user, up to a dot ("alice", "alice.2"); who brings none is anonymous. */
export class NamingAuthenticator implements Authenticator {
  readonly #credentials = new Map<string, AbortController>()

  authenticate({ headers }: { headers: { authorization?: string | undefined } }): Principal {
    const token = headers.authorization?.replace('Bearer ', '') ?? ''
    const { signal: ended } = this.#credential(token)
    return { user: token === '' ? undefined : token.split('.')[0], scopes: new Set(['sandbox:use']), ended }
  }

  challenge(): string {
    return 'Bearer'
  }

  /** The credential is no longer good. */
  revoke(token: string): void {
    this.#credential(token).abort()
    this.#credentials.delete(token)
  }

  close(): void {}

  #credential(token: string): AbortController {
    const known = this.#credentials.get(token) ?? new AbortController()
    this.#credentials.set(token, known)
    return known
  }
}

export interface McpFront extends TestService {
  readonly address: URL
  readonly routes: McpRoutes
  readonly authenticator: NamingAuthenticator
  /** The anonymous users that there were, and whether their sessions have ended. */
  readonly anonymous: ReadonlyMap<string, { ended: boolean }>
}

export interface McpFrontOptions {
  readonly limits?: Partial<SessionLimits>
  readonly provider?: FakeProvider
  readonly namelessUser?: string | undefined
  /** Sees every server of a session that is made. */
  readonly onServer?: (server: object) => void
  /** Other servers than the service's for requests of 2026-07-28. */
  readonly bindV2?: McpRoutesDeps['bindV2']
}

const LIMITS: SessionLimits = { idleMs: 60_000, max: 1000, maxPerUser: 100 }

/** All legs of MCP over HTTP on a free port, over sandboxes in memory, until the test ends. */
export async function startMcpFront(options: McpFrontOptions = {}): Promise<McpFront> {
  const made = testService(options.provider)
  const { service } = made
  const authenticator = new NamingAuthenticator()
  const anonymous = new Map<string, { ended: boolean }>()
  const routes = createMcpRoutes({
    bindV1: async (caller) => {
      const server = await bindV1(service, caller)
      options.onServer?.(server)
      return server
    },
    bindV2: options.bindV2 ?? ((caller) => bindV2(service, caller)),
    limits: { ...LIMITS, ...options.limits },
    anonymous: (): AnonymousUser => {
      const user = `anonymous ${anonymous.size}`
      const state = { ended: false }
      anonymous.set(user, state)
      return {
        user,
        end: () => {
          state.ended = true
          return Promise.resolve()
        },
      }
    },
    namelessUser: 'namelessUser' in options ? options.namelessUser : 'local',
    logger: service.logger,
  })
  const address = await startFront({ authenticator, routes: { mcp: routes.router } })
  onTestFinished(() => routes.close(0))
  return { ...made, address, routes, authenticator, anonymous }
}
