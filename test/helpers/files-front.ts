import { authorityOf } from '../../src/http/files/authority.ts'
import { filesRouter } from '../../src/http/files/routes.ts'
import { ticketRouter } from '../../src/http/files/ticket-routes.ts'
import { Tickets } from '../../src/http/files/tickets.ts'
import { type Authenticator, credentialMissing } from '../../src/http/auth/authenticator.ts'
import { roomyAdmission } from './admission.ts'
import { FakeProvider } from './fake-provider.ts'
import { startFront } from './http-front.ts'
import { recordingLogger } from './recording-logger.ts'
import { recordingTelemetry } from './recording-telemetry.ts'

export interface FilesFrontOptions {
  readonly maxBytes?: number
  readonly silenceMs?: number
  readonly anonymousUser?: string
  /** The anonymous user of each live session, by session id. */
  readonly sessions?: Readonly<Record<string, string>>
}

/** The routes of files over sandboxes in memory. A bearer token is the name of its user; "anonymous" is nobody's. */
export async function startFilesFront(options: FilesFrontOptions = {}) {
  const { maxBytes = 1024 * 1024, silenceMs = 5000, sessions = {} } = options
  const provider = new FakeProvider()
  const { logger, lines } = recordingLogger()
  const ended = new AbortController()
  const authenticator: Authenticator = {
    authenticate(request) {
      const user = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
      if (user === undefined) throw credentialMissing()
      return { user: user === 'anonymous' ? undefined : user, scopes: new Set(['sandbox:use']), ended: ended.signal }
    },
    challenge: () => 'Bearer',
    close() {},
  }
  let address = new URL('http://127.0.0.1')
  const tickets = new Tickets({ ttlMs: 60_000, baseUrl: () => address.origin })
  const admission = roomyAdmission()
  const { telemetry, told } = recordingTelemetry()
  const deps = { provider, admit: admission.run.bind(admission), limits: { maxBytes, silenceMs }, telemetry }
  const authority = { userOfSession: (id: string) => sessions[id], anonymousUser: options.anonymousUser }
  address = await startFront({
    authenticator,
    logger,
    routes: {
      files: filesRouter({ ...deps, authorityOf: authorityOf(authority) }),
      tickets: ticketRouter({ ...deps, tickets }),
    },
  })
  const ask = (user: string, method: string, path: string, init: RequestInit = {}) =>
    fetch(`${address.origin}${path}`, {
      method,
      ...init,
      headers: { authorization: `Bearer ${user}`, ...(init.headers as Record<string, string> | undefined) },
    })
  return {
    address,
    provider,
    tickets,
    lines,
    /** What the telemetry was told. */
    told,
    /** As if every credential were revoked. */
    endCredentials: () => ended.abort(new Error('revoked')),
    ask,
    /** Of alice. */
    alice: (method: string, path: string, init?: RequestInit) => ask('alice', method, path, init),
    files: provider.supervisor('alice'),
  }
}

/** The code of a JSON error, and that its form is right. */
export async function errorCode(answer: Response): Promise<string> {
  const { error } = (await answer.json()) as { error: { code: string; message: string; hint: string } }
  if (error.message === '' || error.hint === '') throw new Error(`an error without a text: ${error.code}`)
  return error.code
}
