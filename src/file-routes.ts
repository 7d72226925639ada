import type { App } from './app.ts'
import type { Config } from './config/settings.ts'
import { authorityOf, type AuthorityDeps } from './http/files/authority.ts'
import { filesRouter } from './http/files/routes.ts'
import { ticketRouter } from './http/files/ticket-routes.ts'
import { Tickets } from './http/files/tickets.ts'
import type { HttpRoutes } from './http/server.ts'
import type { Handover } from './lib/handover.ts'
import type { AnonymousUser } from './registry/anonymous.ts'

/** Files past the model over HTTP: the routes, and the tickets that tools give for them. */
export interface FileRoutes {
  readonly routes: Required<Pick<HttpRoutes, 'files' | 'tickets'>>
  readonly handoverOf: (user: string) => Handover
  /** The same user, whose tickets end with them: the sandbox of an anonymous one ends with its session. */
  readonly withTickets: (user: AnonymousUser) => AnonymousUser
}

/** `baseUrl`: where clients reach this server, asked for when a ticket is given. */
export function createFileRoutes(
  app: App,
  config: Config,
  { baseUrl, ...authority }: AuthorityDeps & { readonly baseUrl: () => string },
): FileRoutes {
  const tickets = new Tickets({ ttlMs: config.ticketTtl, baseUrl })
  const deps = {
    provider: app.registry,
    admit: app.admission.run.bind(app.admission),
    limits: { maxBytes: config.transferSize, silenceMs: config.bodyTimeout },
    telemetry: app.telemetry,
  }
  return {
    routes: {
      files: filesRouter({ ...deps, authorityOf: authorityOf(authority) }),
      tickets: ticketRouter({ ...deps, tickets }),
    },
    handoverOf: (user) => ({ urls: tickets.urlsOf(user) }),
    withTickets: ({ user, end }) => ({
      user,
      end() {
        tickets.revoke(user)
        return end()
      },
    }),
  }
}
