import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { ServerResponse } from 'node:http'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { Principal } from '../http/principal.ts'
import type { Logger } from '../lib/logger.ts'
import type { AnonymousUser } from '../registry/anonymous.ts'
import type { Caller, CallerTransport } from '../registry/caller.ts'

export interface SessionLimits {
  /** After this long without a request or an open stream a session ends, in milliseconds. */
  readonly idleMs: number
  /** Sessions of all callers. */
  readonly max: number
  /** Sessions of one user. */
  readonly maxPerUser: number
}

export interface SessionsDeps {
  readonly limits: SessionLimits
  /** A user for a caller without a name. */
  readonly anonymous: () => AnonymousUser
  readonly logger: Logger
}

/** Why a session ends; for the log. */
export type SessionEnd = 'client' | 'idle' | 'credential ended' | 'gave way' | 'server stops' | 'not opened'

/** Bytes of randomness in a session's id, which is all that an anonymous session's owner has. */
const ID_BYTES = 16
/** The clock is looked at this often: a fraction of the idle time, within these bounds, in milliseconds. */
const LOOK_SHARE = 4
const MIN_LOOK_MS = 100
const MAX_LOOK_MS = 30_000

/**
 * The open sessions of all legs that have some. A session belongs to the user who opened it: to anybody else it is as unknown as one that never
 * was. It owns nothing but the connection to a client; the sandbox is the user's, except where the user has no name and is the session itself.
 */
export class Sessions {
  readonly #deps: SessionsDeps
  readonly #open = new Map<string, Session>()
  readonly #ending = new Set<Promise<void>>()
  readonly #clock: NodeJS.Timeout
  #stopped = false

  constructor(deps: SessionsDeps) {
    this.#deps = deps
    const everyMs = Math.min(MAX_LOOK_MS, Math.max(MIN_LOOK_MS, deps.limits.idleMs / LOOK_SHARE))
    this.#clock = setInterval(() => this.#endIdle(), everyMs)
    this.#clock.unref()
  }

  get size(): number {
    return this.#open.size
  }

  /** How many are open, by the leg that they came by. */
  get byTransport(): Readonly<Record<'http' | 'sse', number>> {
    const counts = { http: 0, sse: 0 }
    for (const { caller } of this.#open.values()) if (caller.transport !== 'stdio') counts[caller.transport]++
    return counts
  }

  /** A new session of the caller; `sandbox_limit` when there are too many, `cancelled` when the server stops. */
  open(principal: Principal, transport: CallerTransport): Session {
    if (this.#stopped) throw new SandboxError('cancelled', 'The server is shutting down.')
    this.#makeRoom(principal)
    const anonymous = principal.user === undefined ? this.#deps.anonymous() : undefined
    const user = principal.user ?? anonymous?.user ?? ''
    const session = new Session({ user, transport }, principal, (why) => {
      this.#open.delete(session.id)
      this.#deps.logger.debug({ user, transport, why }, 'session ended')
      if (!anonymous) return
      const ending = anonymous.end().catch((err: unknown) => {
        this.#deps.logger.warn({ err }, 'The sandbox of an anonymous session was not removed; the next sweep will.')
      })
      this.#ending.add(ending)
      void ending.finally(() => this.#ending.delete(ending))
    })
    this.#open.set(session.id, session)
    return session
  }

  /** The caller's session of that leg; undefined for an unknown one and for that of somebody else. */
  find(id: unknown, principal: Principal, transport: CallerTransport): Session | undefined {
    const session = typeof id === 'string' ? this.#open.get(id) : undefined
    return session?.caller.transport === transport && session.owner === principal.user ? session : undefined
  }

  /** Opens no more. Those that are open go on until {@link close}. */
  stop(): void {
    this.#stopped = true
  }

  /** Resolves when no client waits for an answer. */
  async drained(): Promise<void> {
    await Promise.all([...this.#open.values()].map((session) => session.drained()))
  }

  /** Ends all sessions, and resolves when the sandboxes that die with them are gone. */
  async close(): Promise<void> {
    this.stop()
    clearInterval(this.#clock)
    for (const session of this.#open.values()) session.end('server stops')
    await Promise.all(this.#ending)
  }

  /**
   * Programs that open a session for each call and close none are common, so at a user's limit the one that was idle longest gives way:
   * its client, if there still is one, opens another (404). Only those of the same user do, and never an anonymous one, whose files would go.
   */
  #makeRoom({ user }: Principal): void {
    const { max, maxPerUser } = this.#deps.limits
    const own = user === undefined ? [] : [...this.#open.values()].filter(({ owner }) => owner === user)
    if (this.#open.size < max && own.length < maxPerUser) return
    const idle = own.filter(({ idleMs }) => idleMs > 0).sort((a, b) => b.idleMs - a.idleMs)
    if (idle[0]) return idle[0].end('gave way')
    const [whose, limit] = own.length < maxPerUser ? ['This server has', max] : ['You have', maxPerUser]
    throw new SandboxError('sandbox_limit', `${whose} ${limit} sessions open, and no more are allowed.`, {
      hint: 'Close one (HTTP DELETE with its Mcp-Session-Id), or try again later.',
    })
  }

  #endIdle(): void {
    for (const session of this.#open.values()) {
      if (session.idleMs >= this.#deps.limits.idleMs) session.end('idle')
    }
  }
}

/** One client's connection, over however many requests and streams. */
export class Session {
  readonly id = randomBytes(ID_BYTES).toString('hex')
  readonly caller: Caller
  /** The name behind the credential that opened it; undefined for an anonymous one. */
  readonly owner: string | undefined
  /** Frees what the leg holds for it; set by the leg. */
  onEnd: (() => void) | undefined
  /** Resolves when the client waits for no answer; set by the leg. */
  drained: () => Promise<void> = () => Promise.resolve()
  readonly #ended: (why: SessionEnd) => void
  #credential: AbortSignal
  #responses = 0
  #lastUsedMs = performance.now()
  #isOver = false

  constructor(caller: Caller, { user, ended }: Principal, onEnded: (why: SessionEnd) => void) {
    this.caller = caller
    this.owner = user
    this.#ended = onEnded
    this.#credential = ended
    this.#watch(ended)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Milliseconds since its last request or stream ended; 0 while there is one. */
  get idleMs(): number {
    return this.#responses > 0 ? 0 : performance.now() - this.#lastUsedMs
  }

  /**
   * Counts an answer or a stream as use until it ends, and cuts it when the credential that it came with is no longer good. The session itself
   * goes by the newest credential, so that a client may renew its token within it.
   */
  use(response: ServerResponse, { ended }: Principal): void {
    this.#responses++
    if (ended !== this.#credential) {
      this.#credential.removeEventListener('abort', this.#onCredentialEnd)
      this.#credential = ended
      this.#watch(ended)
    }
    const release = cutWhenEnded(response, ended)
    response.once('close', () => {
      release()
      this.#responses--
      this.#lastUsedMs = performance.now()
    })
  }

  /** Ends it once and for all: its streams are closed, its calls are cancelled. */
  end(why: SessionEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#credential.removeEventListener('abort', this.#onCredentialEnd)
    this.onEnd?.()
    this.#ended(why)
  }

  readonly #onCredentialEnd = (): void => this.end('credential ended')

  #watch(ended: AbortSignal): void {
    allowManyListeners(ended)
    ended.addEventListener('abort', this.#onCredentialEnd, { once: true })
  }
}

/** Cuts an answer off when the credential of its request ends before it. Gives what takes that back. */
export function cutWhenEnded(response: ServerResponse, ended: AbortSignal): () => void {
  allowManyListeners(ended)
  const cut = () => void response.destroy()
  if (ended.aborted) cut()
  ended.addEventListener('abort', cut, { once: true })
  return () => ended.removeEventListener('abort', cut)
}

/** One credential has as many listeners as its user has sessions and streams, which are bounded; Node would suspect a leak. */
function allowManyListeners(signal: AbortSignal): void {
  setMaxListeners(0, signal)
}
