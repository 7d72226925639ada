import type { IncomingHttpHeaders } from 'node:http'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { formatVersion } from '../../sandbox/files.ts'

/** What a path has at present, as far as conditions ask. */
export interface Present {
  readonly version: bigint
  readonly mtimeMs: number
}

/** How a write has to go so that the conditions still hold at its very end. */
export interface Pinned {
  readonly mode: 'overwrite' | 'create'
  readonly ifVersion?: bigint
}

/** The entity tag of a version. Strong: a version changes with inode, size and time of change in nanoseconds (RFC 9110 section 8.8.1). */
export function entityTag(version: bigint): string {
  return `"${formatVersion(version)}"`
}

/** HTTP dates count whole seconds (RFC 9110 section 5.6.7). */
export function lastModified(mtimeMs: number): string {
  return new Date(wholeSeconds(mtimeMs)).toUTCString()
}

/** True for a request whose outcome depends on what is there (RFC 9110 section 13.1). */
export function hasConditions(headers: IncomingHttpHeaders): boolean {
  return (
    headers['if-match'] !== undefined ||
    headers['if-none-match'] !== undefined ||
    headers['if-modified-since'] !== undefined ||
    headers['if-unmodified-since'] !== undefined
  )
}

/**
 * Decides the conditions of a request in the order of RFC 9110 section 13.2.2. True: the client has the content already, which for a GET
 * or HEAD is 304. Throws `stale_version` (412) when a condition does not hold.
 */
export function isNotModified(headers: IncomingHttpHeaders, isRead: boolean, present: Present | undefined): boolean {
  const match = headers['if-match']
  const unmodifiedSince = httpDate(headers['if-unmodified-since'])
  if (match !== undefined) {
    // Strong comparison: a weak tag never matches.
    if (!present || !listHas(match, entityTag(present.version))) throw failed('If-Match')
  } else if (unmodifiedSince !== undefined) {
    if (!present || wholeSeconds(present.mtimeMs) > unmodifiedSince) throw failed('If-Unmodified-Since')
  }
  const noneMatch = headers['if-none-match']
  const modifiedSince = httpDate(headers['if-modified-since'])
  if (noneMatch !== undefined) {
    if (!present || !listHas(noneMatch.replaceAll('W/"', '"'), entityTag(present.version))) return false
    if (isRead) return true
    throw failed('If-None-Match')
  }
  return (
    isRead && modifiedSince !== undefined && present !== undefined && wholeSeconds(present.mtimeMs) <= modifiedSince
  )
}

/**
 * The conditions of a write, decided on what is there now, and that state as what the write itself insists on: nobody can change the file
 * between the question and the answer (RFC 9110 section 13.1.1, lost updates).
 */
export function pinned(headers: IncomingHttpHeaders, present: Present | undefined): Pinned {
  isNotModified(headers, false, present)
  return present ? { mode: 'overwrite', ifVersion: present.version } : { mode: 'create' }
}

/** If-Range (RFC 9110 section 13.1.5): whether a range may be answered as one. */
export function rangeHolds(ifRange: string | undefined, present: Present): boolean {
  if (ifRange === undefined) return true
  if (ifRange.includes('"')) return ifRange === entityTag(present.version)
  return httpDate(ifRange) === wholeSeconds(present.mtimeMs)
}

/** A list of entity tags, or `*`. A tag may hold commas, so it is looked for as a whole. */
function listHas(list: string, tag: string): boolean {
  if (list.trim() === '*') return true
  return [...list.matchAll(/(W\/)?"[^"]*"/g)].some(([found]) => found === tag)
}

function httpDate(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text)
  // RFC 9110 section 13.1.3: what is no date is ignored.
  return Number.isNaN(ms) ? undefined : ms
}

function wholeSeconds(ms: number): number {
  // A file may carry any time; one beyond what a date can tell is shown as the epoch.
  return Number.isNaN(new Date(ms).getTime()) ? 0 : Math.floor(ms / 1000) * 1000
}

function failed(header: string): SandboxError {
  return new SandboxError('stale_version', `${header} does not hold: the file is another than the request expects.`, {
    hint: 'Nothing was changed. Ask for the file again (HEAD gives its ETag), then repeat the request.',
  })
}
