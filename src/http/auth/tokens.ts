import { timingSafeEqual } from 'node:crypto'
import { statSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import type { Logger } from '../../lib/logger.ts'
import type { Principal, Scope } from '../principal.ts'
import { WatchedFile } from '../watched-file.ts'
import { type Authenticator, credentialInvalid, type Refusal } from './authenticator.ts'
import { bearerChallenge, bearerToken } from './bearer.ts'
import { Expiry } from './expiry.ts'
import { hashToken, isExpired, parseTokenFile, type StoredToken } from './token-file.ts'

/** What is compared with where there is no such token, so that both cases do the same work. */
const NO_DIGEST = Buffer.alloc(32)

const OTHERS_WRITE = 0o002

interface Entry {
  readonly stored: StoredToken
  readonly digest: Buffer
  readonly principal: Principal
  /** Ends the principal. */
  end(): void
}

/** Callers by the tokens of a file (`sandbox-mcp token`), which is followed while the server runs. */
export function authenticateByTokens(path: string, logger: Logger): Authenticator {
  return new TokenAuthenticator(path, logger)
}

class TokenAuthenticator implements Authenticator {
  readonly #file: WatchedFile<readonly StoredToken[]>
  readonly #logger: Logger
  /** By SHA-256 in hex. */
  #entries: ReadonlyMap<string, Entry> = new Map()

  constructor(path: string, logger: Logger) {
    this.#logger = logger
    this.#file = new WatchedFile({
      path,
      what: 'token file',
      parse: parseTokenFile,
      whenMissing: [],
      onChange: (tokens) => this.#take(tokens),
      logger,
    })
    this.#take(this.#file.value)
    if (isOpenToOthers(path)) {
      logger.warn(
        { file: path },
        'Others may write to the token file, and so become any user: take the permission away.',
      )
    }
    if (this.#entries.size === 0) {
      logger.warn({ file: path }, 'There is no token yet, so nobody can connect: see `sandbox-mcp token add`.')
    }
  }

  authenticate(request: IncomingMessage): Principal {
    const digest = hashToken(bearerToken(request))
    const entry = this.#entries.get(digest.toString('hex'))
    const isSame = timingSafeEqual(digest, entry?.digest ?? NO_DIGEST)
    if (!entry || !isSame) throw credentialInvalid('unknown token')
    if (isExpired(entry.stored)) throw credentialInvalid(`token ${entry.stored.id} has expired`)
    return entry.principal
  }

  challenge(refusal: Refusal): string {
    return bearerChallenge(refusal)
  }

  close(): void {
    this.#file[Symbol.dispose]()
    for (const { end } of this.#entries.values()) end()
  }

  /** Tokens that stay as they are keep their principal; what another process has revoked or changed ends its own. */
  #take(tokens: readonly StoredToken[]): void {
    const before = this.#entries
    const after = new Map<string, Entry>()
    for (const stored of tokens) {
      const old = before.get(stored.sha256)
      after.set(stored.sha256, old && isSameGrant(old.stored, stored) ? old : this.#entryOf(stored))
    }
    this.#entries = after
    for (const [key, entry] of before) {
      if (after.get(key) === entry) continue
      this.#logger.info({ token: entry.stored.id }, 'a token was revoked or changed')
      entry.end()
    }
  }

  #entryOf(stored: StoredToken): Entry {
    const expiry = new Expiry(stored.expires === undefined ? undefined : Date.parse(stored.expires))
    return {
      stored,
      digest: Buffer.from(stored.sha256, 'hex'),
      principal: { user: stored.user, scopes: new Set<Scope>(stored.scopes), ended: expiry.signal },
      end: () => expiry.end(),
    }
  }
}

/** Of the file alone: whoever may write to its folder is the operator's own choice. */
function isOpenToOthers(path: string): boolean {
  return ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & OTHERS_WRITE) !== 0
}

function isSameGrant(a: StoredToken, b: StoredToken): boolean {
  return a.user === b.user && a.expires === b.expires && a.scopes.join() === b.scopes.join()
}
