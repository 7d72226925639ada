import type { Config } from '../../config/settings.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Authenticator } from './authenticator.ts'
import { authenticateNobody } from './none.ts'
import { authenticateByProxy, type ProxyConfig } from './proxy.ts'
import { authenticateByTokens } from './tokens.ts'
import type { JwtConfig } from './jwt.ts'

export type AuthConfig = Pick<Config, 'auth' | 'host' | 'insecure' | 'tokensFile'> & JwtConfig & ProxyConfig

/** 127.0.0.0/8, its IPv6 counterpart, and the name that stands for them (RFC 6761 section 6.3). */
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/

type Kind = (config: AuthConfig, logger: Logger) => Authenticator | Promise<Authenticator>

const KINDS: Readonly<Record<Config['auth'], Kind>> = {
  none: onLoopbackOnly,
  tokens: ({ tokensFile }, logger) => authenticateByTokens(tokensFile, logger),
  // Loaded when used: its library is not small.
  jwt: async (config, logger) => (await import('./jwt.ts')).authenticateByJwt(config, logger),
  proxy: authenticateByProxy,
}

/** The configured way to tell callers apart; `config_invalid` when it is not safe or not whole. */
export async function createAuthenticator(config: AuthConfig, logger: Logger): Promise<Authenticator> {
  return KINDS[config.auth](config, logger)
}

function onLoopbackOnly({ host, insecure }: AuthConfig): Authenticator {
  if (isLoopback(host) || insecure) return authenticateNobody()
  throw new SandboxError('config_invalid', `--auth none would let everybody who reaches ${host} in.`, {
    hint: 'Use --auth tokens, jwt or proxy, listen on 127.0.0.1, or say --insecure where the network itself is the boundary.',
  })
}

/** True for an address to listen on that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}
