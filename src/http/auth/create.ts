import type { Config } from '../../config/settings.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Authenticator } from './authenticator.ts'
import { authenticateNobody } from './none.ts'

export type AuthConfig = Pick<Config, 'auth' | 'host' | 'insecure'>

/** 127.0.0.0/8, its IPv6 counterpart, and the name that stands for them (RFC 6761 section 6.3). */
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/

/** The configured way to tell callers apart; `config_invalid` when it is not safe or not whole. */
export function createAuthenticator(config: AuthConfig): Authenticator {
  if (LOOPBACK.test(config.host) || config.insecure) return authenticateNobody()
  throw new SandboxError('config_invalid', `--auth none would let everybody who reaches ${config.host} in.`, {
    hint: 'Use --auth tokens or jwt, listen on 127.0.0.1, or say --insecure where the network itself is the boundary.',
  })
}
