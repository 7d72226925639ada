import type { IncomingHttpHeaders } from 'node:http'
import { SandboxError } from '../../errors/sandbox-error.ts'

const SHA256_HEX = /^[0-9a-f]{64}$/i
/** One member of a dictionary of byte sequences (RFC 8941 sections 3.2 and 3.3.5), as RFC 9530 writes digests. */
const MEMBER = /^\s*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):\s*$/
const SHA256_BYTES = 32

/**
 * The SHA-256 that the content of a request is announced to have, in hexadecimal: of `?sha256=` or of the Repr-Digest or Content-Digest
 * field (RFC 9530), which are the same thing here, since contents are never encoded. An announcement that cannot be checked is refused, not
 * passed over: the sender believes that it is.
 */
export function announcedSha256(headers: IncomingHttpHeaders, query: string | undefined): string | undefined {
  const found = [
    ...(query === undefined ? [] : [fromHex(query)]),
    ...(['repr-digest', 'content-digest'] as const).flatMap((name) => {
      const field = headers[name]
      return typeof field === 'string' ? [fromField(name, field)] : []
    }),
  ]
  if (new Set(found).size > 1) throw refused('The request announces several different digests.')
  return found[0]
}

/** The value of a Repr-Digest field. */
export function digestField(sha256: string): string {
  return `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`
}

/** True when the client asks for the digest of what it gets (RFC 9530 section 4): `sha-256` with a preference above 0. */
export function wantsDigest(headers: IncomingHttpHeaders): boolean {
  const wanted = headers['want-repr-digest']
  return typeof wanted === 'string' && /(?:^|,)\s*sha-256=(?:[1-9]|10)\s*(?:,|$)/.test(wanted)
}

function fromHex(text: string): string {
  if (!SHA256_HEX.test(text)) throw refused('sha256: give 64 hexadecimal digits.')
  return text.toLowerCase()
}

function fromField(name: string, field: string): string {
  for (const member of field.split(',')) {
    const [, algorithm, base64] = MEMBER.exec(member) ?? []
    if (algorithm === undefined || base64 === undefined) throw refused(`${name} is not of the form sha-256=:BASE64:.`)
    if (algorithm !== 'sha-256') continue
    const bytes = Buffer.from(base64, 'base64')
    if (bytes.length !== SHA256_BYTES) throw refused(`${name}: a sha-256 has 32 bytes.`)
    return bytes.toString('hex')
  }
  throw refused(`${name} has no sha-256, which is the one that can be checked here.`)
}

function refused(message: string): SandboxError {
  return new SandboxError('invalid_argument', message, { hint: 'Nothing was written. Correct it, or leave it out.' })
}
