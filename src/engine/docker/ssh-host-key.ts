import { createHmac, timingSafeEqual } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The host whose key is to be checked. */
export interface SshHost {
  readonly homeDir: string
  readonly host: string
  readonly port: number
}

/**
 * Accepts an SSH host only by a key that ~/.ssh/known_hosts (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT") has for it. ssh2 accepts any
 * key when it is not told otherwise, so that whoever answers in the engine's place would be sent everything that users do.
 */
export function hostKeyVerifier({ homeDir, host, port }: SshHost): (key: Buffer) => boolean {
  return (key) => {
    const path = join(homeDir, '.ssh/known_hosts')
    if (!existsSync(path)) return false
    const name = port === 22 ? host : `[${host}]:${port}`
    return isKnownHostKey(readFileSync(path, 'utf8'), name, key)
  }
}

/** True when a line of the file has this key for this name, and none revokes it. Certificate authorities and patterns with `*`, `?` or `!` are not taken. */
export function isKnownHostKey(knownHosts: string, name: string, key: Buffer): boolean {
  let known = false
  for (const line of knownHosts.split('\n')) {
    const fields = line.trim().split(/\s+/)
    const marker = fields[0]?.startsWith('@') ? fields.shift() : undefined
    const [names, , keyText] = fields
    if (names === undefined || keyText === undefined || names.startsWith('#')) continue
    if (!Buffer.from(keyText, 'base64').equals(key)) continue
    if (marker === '@revoked') return false
    if (marker === undefined && names.split(',').some((entry) => matches(entry, name))) known = true
  }
  return known
}

/** A plain name, or a hashed one: "|1|" base64(salt) "|" base64(HMAC-SHA1(salt, name)). */
function matches(entry: string, name: string): boolean {
  if (!entry.startsWith('|1|')) return entry.toLowerCase() === name.toLowerCase()
  const [salt, hash] = entry.slice(3).split('|')
  if (salt === undefined || hash === undefined) return false
  const wanted = Buffer.from(hash, 'base64')
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest()
  return wanted.length === actual.length && timingSafeEqual(wanted, actual)
}
