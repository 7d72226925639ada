import { createHash, randomBytes } from 'node:crypto'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { DownloadGrant, HandoverUrls, TransferUrl, UploadGrant } from '../../lib/handover.ts'

/** What a ticket is good for: one path of one user in one direction. */
export type TicketScope = { readonly user: string } & (
  | { readonly direction: 'put'; readonly grant: UploadGrant }
  | { readonly direction: 'get'; readonly grant: DownloadGrant }
)

export interface TicketsOptions {
  /** How long a ticket is good for at most, in milliseconds. */
  readonly ttlMs: number
  /** Where clients reach the ticket routes, without a slash at the end. */
  readonly baseUrl: () => string
  /** Milliseconds of a clock that is never set, as performance.now() tells it. */
  readonly now?: () => number
}

/** A ticket that is being redeemed: nobody else can redeem it meanwhile. */
export interface Redemption {
  readonly scope: TicketScope
  /** The transfer was whole: the ticket is spent. */
  spend(): void
  /** It was not: the ticket can be used again, until it expires. Nothing after `spend`. */
  giveBack(): void
}

interface Ticket {
  readonly scope: TicketScope
  readonly expiresAtMs: number
  isInUse: boolean
}

/** 256 random bits: nobody guesses one, and a proof of who made it would add nothing. */
const TICKET_BYTES = 32
const TICKET = /^[A-Za-z0-9_-]{43}$/
/** Open tickets: memory that callers can take. */
const MAX_PER_USER = 256
const MAX_IN_ALL = 100_000

/**
 * One-time tickets: URLs that let whoever has one put or get one path once, without any other credential, so that `curl` alone can do it.
 *
 * A ticket is a random number, and what it is good for is known to this process alone. That is what makes "once" hold without a
 * database: no other server can redeem it, so none has to be asked whether it was redeemed already. Nothing of user or path is in the URL, a
 * ticket can be taken back, and there is no key to lose. The price: behind a load balancer the request has to come to the server
 * that gave the ticket, and a restart ends all tickets. They are kept by their hash, so that neither a dump of the table nor the time that a
 * look-up takes tells a ticket.
 */
export class Tickets {
  readonly #options: TicketsOptions
  readonly #now: () => number
  readonly #open = new Map<string, Ticket>()
  readonly #perUser = new Map<string, Set<string>>()

  constructor(options: TicketsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** Tickets that could still be redeemed. */
  get size(): number {
    return this.#open.size
  }

  /** What a user's connections make URLs with. */
  urlsOf(user: string): HandoverUrls {
    const { ttlMs: maxTtlMs } = this.#options
    return {
      maxTtlMs,
      put: (grant) => this.#issue({ user, direction: 'put', grant }, maxTtlMs),
      get: (grant, ttlMs) => this.#issue({ user, direction: 'get', grant }, Math.min(ttlMs, maxTtlMs)),
    }
  }

  /**
   * Takes a ticket for a transfer. Rejects alike (`not_found`) for one that was never given, has expired, was spent, was taken back or is
   * for the other direction. One that is in use is `sandbox_limit`: whoever has it may try again.
   */
  redeem(secret: string, direction: TicketScope['direction']): Redemption {
    const key = TICKET.test(secret) ? hashOf(secret) : undefined
    const ticket = key === undefined ? undefined : this.#open.get(key)
    if (key === undefined || !ticket || ticket.scope.direction !== direction || ticket.expiresAtMs <= this.#now()) {
      throw new SandboxError('not_found', 'There is no such ticket, or it is no longer good.', {
        hint: 'Tickets are for one transfer and a short time. Ask for a new one with upload (ticket) or download.',
      })
    }
    if (ticket.isInUse) {
      throw new SandboxError('sandbox_limit', 'Another transfer with this ticket is under way.', {
        hint: 'Wait until it has ended. If it failed, the ticket can be used again.',
      })
    }
    ticket.isInUse = true
    return {
      scope: ticket.scope,
      spend: () => this.#forget(key, ticket),
      giveBack: () => {
        ticket.isInUse = false
      },
    }
  }

  /** Takes all tickets of a user back: they, or their sandbox, are no more. */
  revoke(user: string): void {
    for (const key of this.#perUser.get(user) ?? []) this.#open.delete(key)
    this.#perUser.delete(user)
  }

  #issue(scope: TicketScope, ttlMs: number): TransferUrl {
    const nowMs = this.#now()
    this.#makeRoom(scope.user, nowMs)
    const secret = randomBytes(TICKET_BYTES).toString('base64url')
    const key = hashOf(secret)
    const expiresAtMs = nowMs + ttlMs
    this.#open.set(key, { scope, expiresAtMs, isInUse: false })
    const ofUser = this.#perUser.get(scope.user) ?? new Set()
    this.#perUser.set(scope.user, ofUser.add(key))
    return { url: `${this.#options.baseUrl()}/t/${secret}`, expiresAt: new Date(Date.now() + ttlMs) }
  }

  #makeRoom(user: string, nowMs: number): void {
    const isFull = () => this.#open.size >= MAX_IN_ALL || (this.#perUser.get(user)?.size ?? 0) >= MAX_PER_USER
    // Expired ones are only in the way when there is no room, so they are looked for only then.
    if (isFull()) for (const [key, ticket] of this.#open) if (ticket.expiresAtMs <= nowMs) this.#forget(key, ticket)
    if (isFull()) {
      throw new SandboxError('sandbox_limit', 'Too many tickets are open.', {
        hint: 'Use those, or wait until they expire.',
      })
    }
  }

  #forget(key: string, { scope: { user } }: Ticket): void {
    this.#open.delete(key)
    const ofUser = this.#perUser.get(user)
    ofUser?.delete(key)
    if (ofUser?.size === 0) this.#perUser.delete(user)
  }
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64')
}
