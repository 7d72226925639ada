import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Config } from '../config/settings.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { WatchedFile } from './watched-file.ts'

/** RFC 8996 retires what is older. */
const MIN_VERSION = 'TLSv1.2'

/** A certificate and its key, followed on disk. */
export interface Certificate extends Disposable {
  readonly value: SecureContextOptions
}

/**
 * The certificate of the server. Whoever renews it writes two files, one after the other: `onRenewed` is called when both belong together
 * again, and until then the pair that works stays in use.
 */
export function loadCertificate(
  { tlsCert, tlsKey }: Pick<Config, 'tlsCert' | 'tlsKey'>,
  logger: Logger,
  onRenewed: (options: SecureContextOptions) => void,
): Certificate {
  if (tlsCert === '' || tlsKey === '') throw new SandboxError('config_invalid', 'TLS needs both tlsCert and tlsKey.')
  const read = (path: string, what: string) =>
    new WatchedFile({ path, what, parse: (bytes) => bytes, onChange: () => renew(), logger })
  const cert = read(tlsCert, 'TLS certificate')
  const key = read(tlsKey, 'TLS key')
  const pair = (): SecureContextOptions => ({ cert: cert.value, key: key.value, minVersion: MIN_VERSION })
  const dispose = () => {
    cert[Symbol.dispose]()
    key[Symbol.dispose]()
  }
  const renew = () => {
    const problem = problemOf(pair())
    if (problem === undefined) onRenewed(pair())
    else logger.warn({ problem }, 'The TLS certificate and its key do not fit together; the ones before stay in use.')
  }
  const problem = problemOf(pair())
  if (problem !== undefined) {
    dispose()
    throw new SandboxError('config_invalid', `The TLS certificate and key cannot be used (${problem}).`)
  }
  return { value: pair(), [Symbol.dispose]: dispose }
}

/** Why a certificate and a key cannot be used together, by OpenSSL's code; undefined when they can. */
function problemOf(pair: SecureContextOptions): string | undefined {
  try {
    createSecureContext(pair)
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
  }
}
