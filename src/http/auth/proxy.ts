import { createHash, timingSafeEqual } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Config } from '../../config/settings.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Principal, Scope } from '../principal.ts'
import { trustedPeers } from '../trusted-peers.ts'
import { isUserName } from '../user-name.ts'
import { type Authenticator, credentialInvalid, credentialMissing } from './authenticator.ts'
import { bearerChallenge } from './bearer.ts'

export type ProxyConfig = Pick<Config, 'proxyUserHeader' | 'proxySecret' | 'proxyAdmins' | 'trustedProxies'>

/** Carries the configured secret, where there is one. */
export const PROXY_SECRET_HEADER = 'x-sandbox-proxy-secret'

/**
 * The user that a reverse proxy has found out, from a header of its own. Whoever reaches the server directly could send the same header,
 * so it is believed only from a listed address, or with the shared secret, or both where both are configured. The proxy has to remove the
 * header from what clients send: a request that has it twice is refused.
 */
export function authenticateByProxy(config: ProxyConfig): Authenticator {
  const { proxyUserHeader, proxySecret, proxyAdmins, trustedProxies } = config
  if (proxySecret === '' && trustedProxies.length === 0) {
    throw new SandboxError('config_invalid', '--auth proxy needs a way to know the proxy.', {
      hint: 'Give its addresses (trustedProxies), or a secret that it sends (proxySecret).',
    })
  }
  const header = proxyUserHeader.toLowerCase()
  const isTrusted = trustedPeers(config)
  const secret = proxySecret === '' ? undefined : digestOf(proxySecret)
  // A proxy's word holds for one request; nobody tells when it no longer does.
  const ended = new AbortController().signal

  const isFromProxy = (request: IncomingMessage): boolean => {
    if (trustedProxies.length > 0 && !isTrusted(request.socket.remoteAddress)) return false
    if (secret === undefined) return true
    const [sent, ...more] = request.headersDistinct[PROXY_SECRET_HEADER] ?? []
    return sent !== undefined && more.length === 0 && timingSafeEqual(digestOf(sent), secret)
  }

  return {
    authenticate: (request): Principal => {
      const [given, ...more] = request.headersDistinct[header] ?? []
      if (given === undefined) throw credentialMissing()
      if (!isFromProxy(request)) throw credentialInvalid('the user header did not come from the proxy')
      if (more.length > 0) throw credentialInvalid('the user header came more than once')
      const user = headerText(given)
      if (user === undefined || !isUserName(user)) throw credentialInvalid('the user header holds no name of a user')
      const scopes: Scope[] = proxyAdmins.includes(user) ? ['sandbox:use', 'sandbox:admin'] : ['sandbox:use']
      return { user, scopes: new Set(scopes), ended }
    },
    challenge: (refusal) => bearerChallenge(refusal),
    close: () => {},
  }
}

/** Of equal length, as a comparison in constant time needs. */
function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** Node reads headers as Latin-1; proxies send names in UTF-8. undefined when it is none. */
function headerText(value: string): string | undefined {
  const bytes = Buffer.from(value, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined
}
