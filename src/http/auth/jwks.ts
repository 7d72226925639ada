import { createLocalJWKSet, createRemoteJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Logger } from '../../lib/logger.ts'
import { WatchedFile } from '../watched-file.ts'

/** For one request of the keys, in milliseconds; it delays a client's first call. */
const FETCH_TIMEOUT_MS = 5000

/** The public keys of one issuer. */
export interface KeySet extends Disposable {
  readonly keyOf: JWTVerifyGetKey
}

/** Keys by URL, fetched when needed and again when a token names one that is not known, or from a file, which is followed. */
export function openKeySet(source: string, logger: Logger): KeySet {
  return /^https?:/i.test(source) ? remoteKeys(new URL(source)) : keysOfFile(source, logger)
}

function remoteKeys(url: URL): KeySet {
  if (url.protocol !== 'https:' && !['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)) {
    throw new SandboxError('config_invalid', `The keys at ${url.origin} have to come over https.`, {
      hint: 'Whoever changes them on the way can make tokens of any user.',
    })
  }
  return { keyOf: createRemoteJWKSet(url, { timeoutDuration: FETCH_TIMEOUT_MS }), [Symbol.dispose]: () => {} }
}

function keysOfFile(path: string, logger: Logger): KeySet {
  const file = new WatchedFile({ path, what: 'key set', parse: parseKeySet, logger })
  return { keyOf: (header, token) => file.value(header, token), [Symbol.dispose]: () => file[Symbol.dispose]() }
}

function parseKeySet(bytes: Buffer): JWTVerifyGetKey {
  try {
    return createLocalJWKSet(JSON.parse(bytes.toString('utf8')) as JSONWebKeySet)
  } catch (cause) {
    throw new SandboxError('config_invalid', 'is no JSON Web Key Set (RFC 7517 section 5).', { cause })
  }
}

/** True for a failure to get the keys, which says nothing about the token. */
export function isKeySetFailure(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true
  return ['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'].includes(error.code)
}
