import type { ErrorCode } from '../../errors/codes.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'

/** What a reply's status means for one kind of call, where it differs from the general rule. */
export type CodeByStatus = Readonly<Record<number, ErrorCode>>

/** Characters of the engine's own text that are kept for the log. */
const MAX_ENGINE_TEXT = 2048

/** The engine answered, but the connection ended inside its reply: what it did is not known. */
export class ReplyCutError extends Error {
  override readonly name = 'ReplyCutError'
}

/** The engine answered with something that is not the reply of a container engine. */
export class BadReplyError extends Error {
  override readonly name = 'BadReplyError'
}

/**
 * An error from the status of a reply. The engine's text holds host paths and names, so it goes to `details` and never into the
 * message.
 *
 * @param action what was asked for, as a verb phrase: "start the container"
 */
export function statusError(
  status: number,
  engineText: string,
  action: string,
  codes: CodeByStatus = {},
): SandboxError {
  const details = { status, engineText: engineText.slice(0, MAX_ENGINE_TEXT) }
  // Docker has no code for a full disk: every storage driver passes on the kernel's ENOSPC text (strerror(3)) in a 500.
  if (status >= 500 && engineText.includes('no space left on device')) {
    return new SandboxError('disk_full', `The host's disk is full: the container engine could not ${action}.`, {
      hint: 'The operator has to free disk space on the host of the container engine.',
      details,
    })
  }
  const code = codes[status] ?? (status === 404 ? 'not_found' : 'engine_failed')
  return new SandboxError(code, MESSAGES[code]?.(action) ?? `The container engine could not ${action}.`, {
    ...(code === 'not_found' && { hint: 'It was removed, or never made.' }),
    details,
  })
}

const MESSAGES: Partial<Record<ErrorCode, (action: string) => string>> = {
  not_found: (action) => `The container engine could not ${action}: there is none of that name.`,
  already_exists: (action) => `The container engine could not ${action}: the name is taken.`,
  image_unavailable: (action) => `The container engine could not ${action}: the image is not there.`,
}

/** An error from below HTTP: no connection, a broken one, a reply that is none. A SandboxError is given back as it is. */
export function transportError(error: unknown, action: string): SandboxError {
  if (error instanceof SandboxError) return error
  const code = errorCode(error)
  if (!isConnectionError(error, code)) {
    return new SandboxError('engine_failed', `The container engine's reply to "${action}" could not be understood.`, {
      hint: 'Check that the configured engine address is that of a Docker-compatible engine.',
      details: { code },
      cause: error,
    })
  }
  const hint = HINTS[code] ?? (isTlsCode(code) ? TLS_HINT : isSshError(error) ? SSH_HINT : undefined)
  return new SandboxError('engine_unreachable', `No container engine answered the request to ${action}.`, {
    ...(hint !== undefined && { hint }),
    details: { code },
    cause: error,
  })
}

/** Errors of the system, of TLS and of SSH, and a reply that broke off; what the HTTP parser or we reject is an answer. */
function isConnectionError(error: unknown, code: string): boolean {
  if (error instanceof ReplyCutError || isSshError(error)) return true
  return code !== '' && !code.startsWith('HPE_')
}

/** Errors of ssh2 carry a level, "client-authentication" for instance. */
function isSshError(error: unknown): boolean {
  return error instanceof Error && 'level' in error
}

/** The errno name (errno(3)), llhttp or OpenSSL code of an error; "" when it has none. */
function errorCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}

const START_IT = 'Start the container engine, for instance with `systemctl start docker` or by opening Docker Desktop.'
const HINTS: Readonly<Record<string, string>> = {
  ENOENT: `Its socket does not exist. ${START_IT}`,
  ECONNREFUSED: `Nothing listens at its address. ${START_IT}`,
  EACCES:
    'The user that runs this server may not open the engine\'s socket. Add it to the group "docker"; membership equals root on the host.',
  EPERM: "The user that runs this server may not open the engine's socket.",
  ENOTFOUND: 'The name of its host does not resolve. Check the configured engine address.',
  EAI_AGAIN: 'The name of its host does not resolve at the moment.',
}
const TLS_HINT = "Its TLS certificate was not accepted, or it did not accept ours. Check the engine's certificates."
const SSH_HINT =
  "The SSH connection failed. The host's key must be in ~/.ssh/known_hosts, and an agent (SSH_AUTH_SOCK) must hold a key that it accepts."

/** Codes of node:tls and OpenSSL verification (X509_STORE_CTX_get_error(3)). */
function isTlsCode(code: string): boolean {
  return /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code)
}
