import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Request, RequestHandler } from 'express'
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Config } from '../../config/settings.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Logger } from '../../lib/logger.ts'
import { type Principal, type Scope, SCOPES } from '../principal.ts'
import { isUserName } from '../user-name.ts'
import { type Authenticator, credentialInvalid, type Refusal } from './authenticator.ts'
import { bearerChallenge, bearerToken } from './bearer.ts'
import { Expiry } from './expiry.ts'
import { isKeySetFailure, type KeySet, openKeySet } from './jwks.ts'
import { ProtectedResource, type ResourceConfig } from './protected-resource.ts'

export type JwtConfig = ResourceConfig &
  Pick<Config, 'jwtAudience' | 'jwtJwks' | 'jwtUserClaim' | 'jwtAlgorithms' | 'jwtClockTolerance'>

/** A token that was found good is taken for good this long, in milliseconds: a signature costs more than the rest of a call. */
const RECHECK_MS = 60_000
/** Tokens that are remembered so. */
const MAX_REMEMBERED = 10_000

interface Verified {
  readonly principal: Principal
  readonly expiry: Expiry
  /** By the monotonic clock: setting the time of day must not put a check off. */
  recheckAt: number
}

/** Callers by the access tokens of an authorization server (RFC 9068, MCP authorization): this server only checks them. */
export function authenticateByJwt(config: JwtConfig, logger: Logger): Authenticator {
  return new JwtAuthenticator(config, logger)
}

class JwtAuthenticator implements Authenticator {
  readonly publicRoutes: RequestHandler
  readonly #config: JwtConfig
  readonly #logger: Logger
  readonly #resource: ProtectedResource
  /** By issuer: the keys of one cannot sign for another. */
  readonly #keySets: ReadonlyMap<string, KeySet>
  /** By SHA-256 of the token, the oldest first. */
  readonly #verified = new Map<string, Verified>()

  constructor(config: JwtConfig, logger: Logger) {
    const { jwtIssuer, jwtAudience, jwtJwks } = config
    if (jwtIssuer.length === 0 || jwtAudience.length === 0 || jwtJwks.length !== jwtIssuer.length) {
      throw new SandboxError(
        'config_invalid',
        '--auth jwt needs an issuer, an audience, and the keys of every issuer.',
        {
          hint: 'Give jwtIssuer, jwtAudience, and in jwtJwks one URL or file for each issuer, in the same order.',
        },
      )
    }
    this.#config = config
    this.#logger = logger
    this.#resource = new ProtectedResource(config)
    this.publicRoutes = this.#resource.route
    this.#keySets = new Map(jwtIssuer.map((issuer, at) => [issuer, openKeySet(jwtJwks[at] ?? '', logger)]))
  }

  authenticate(request: IncomingMessage): Principal | Promise<Principal> {
    const token = bearerToken(request)
    const key = createHash('sha256').update(token).digest('base64')
    const known = this.#verified.get(key)
    if (known && !known.expiry.signal.aborted && performance.now() < known.recheckAt) return known.principal
    return this.#verify(token, key)
  }

  challenge(refusal: Refusal, request: Request): string {
    return bearerChallenge(refusal, this.#resource.metadataUrl(request))
  }

  close(): void {
    for (const keys of this.#keySets.values()) keys[Symbol.dispose]()
    for (const { expiry } of this.#verified.values()) expiry.end()
  }

  async #verify(token: string, key: string): Promise<Principal> {
    let payload: JWTPayload
    try {
      payload = await this.#checked(token)
    } catch (error) {
      return this.#refuse(error, this.#verified.get(key))
    }
    const known = this.#verified.get(key)
    if (known) return passAgain(known)
    const user = this.#userOf(payload)
    const expiry = new Expiry(((payload.exp ?? 0) + this.#toleranceSeconds) * 1000)
    const verified: Verified = {
      principal: { user, scopes: scopesOf(payload), ended: expiry.signal },
      expiry,
      recheckAt: performance.now() + RECHECK_MS,
    }
    this.#remember(key, verified)
    return verified.principal
  }

  /** The claims of a token that holds. `exp` has to be there: what never ends cannot be taken back. */
  async #checked(token: string): Promise<JWTPayload> {
    const issuer = decodeJwt(token).iss
    const keys = issuer === undefined ? undefined : this.#keySets.get(issuer)
    if (issuer === undefined || !keys) throw credentialInvalid('not a token of a configured issuer')
    const { payload } = await jwtVerify(token, keys.keyOf, {
      issuer,
      audience: [...this.#config.jwtAudience],
      algorithms: [...this.#config.jwtAlgorithms],
      clockTolerance: this.#toleranceSeconds,
      requiredClaims: ['exp'],
    })
    return payload
  }

  /** A token that was good is not any more when its key was withdrawn or it has run out; an issuer that is down does not make it worse. */
  #refuse(error: unknown, known: Verified | undefined): Principal {
    const isToken = error instanceof SandboxError || (error instanceof errors.JOSEError && !isKeySetFailure(error))
    if (isToken) {
      known?.expiry.end()
      throw error instanceof SandboxError ? error : credentialInvalid(error.code)
    }
    this.#logger.warn({ err: error }, 'The keys that tokens are checked with cannot be had.')
    if (known && !known.expiry.signal.aborted) return passAgain(known)
    throw new SandboxError('identity_unavailable', 'The credential cannot be checked at present.', { cause: error })
  }

  /** With several issuers the same subject may be two people, so the issuer is part of the name. It holds no space; a subject may. */
  #userOf(payload: JWTPayload): string {
    const subject = payload[this.#config.jwtUserClaim]
    if (typeof subject !== 'string' || !isUserName(subject)) {
      throw credentialInvalid(`the claim ${this.#config.jwtUserClaim} holds no name of a user`)
    }
    return this.#keySets.size > 1 ? `${payload.iss} ${subject}` : subject
  }

  #remember(key: string, verified: Verified): void {
    const oldest = this.#verified.keys().next()
    if (this.#verified.size >= MAX_REMEMBERED && !oldest.done) this.#verified.delete(oldest.value)
    this.#verified.set(key, verified)
    // Streams that it opened end then, also when it is no longer remembered.
    verified.expiry.signal.addEventListener('abort', () => {
      if (this.#verified.get(key) === verified) this.#verified.delete(key)
    })
  }

  get #toleranceSeconds(): number {
    return this.#config.jwtClockTolerance / 1000
  }
}

function passAgain(known: Verified): Principal {
  known.recheckAt = performance.now() + RECHECK_MS
  return known.principal
}

/** RFC 8693 section 4.2 (`scope`, separated by spaces); `scp` as an array or text is what other servers write. Unknown scopes are others'. */
function scopesOf({ scope, scp }: JWTPayload): ReadonlySet<Scope> {
  const given = [scope, scp].flatMap((claim): unknown[] =>
    typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : [],
  )
  return new Set(SCOPES.filter((each) => given.includes(each)))
}
