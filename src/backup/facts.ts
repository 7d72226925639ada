import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { FORMAT, Head, Totals } from './manifest.ts'

/** backup: the operator's · snapshot: the user's own · archive: holds the files of a user who has no workspace volume. */
export type BackupKind = 'backup' | 'snapshot' | 'archive'

/** Names of snapshots: of a kind that needs no quoting anywhere, and leads nowhere. */
export const SNAPSHOT_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/
const ID = /^\d{8}T\d{9}Z-[0-9a-f]{8}$/

/** What stands beside an archive, in a document that is written after it: a backup is there when this is. */
export const BackupFacts = z.object({
  id: z.string().regex(ID),
  kind: z.enum(['backup', 'snapshot', 'archive']),
  /** Of a snapshot that was given one. */
  name: z.string().regex(SNAPSHOT_NAME).nullable(),
  head: Head,
  totals: Totals,
  archive: z.object({ bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  /** How long the sandbox was held still for it, in milliseconds; 0 when it slept. */
  heldMs: z.int().min(0),
  /** It was restored into a scratch volume and read back before it was listed. */
  verified: z.boolean(),
})
export type BackupFacts = z.output<typeof BackupFacts>

export { FORMAT }

/** Sorts by time, to the millisecond. */
export function newBackupId(createdAt: Date): string {
  const time = createdAt.toISOString().replace(/[-:.]/g, '')
  return `${time}-${randomBytes(4).toString('hex')}`
}

/** Of an id that somebody gave. `invalid_argument` for what is none. */
export function checkedId(id: string): string {
  if (ID.test(id)) return id
  throw new SandboxError('invalid_argument', 'This is not the id of a backup.', {
    hint: 'An id looks like 20260131T120000000Z-0123abcd.',
  })
}

export function checkedName(name: string): string {
  if (SNAPSHOT_NAME.test(name)) return name
  throw new SandboxError('invalid_argument', 'This is not a name for a snapshot.', {
    hint: 'Use lower-case letters, digits, ".", "_" and "-" (at most 63), and begin with a letter or digit.',
  })
}

const FACTS_SUFFIX = '.json'

export function archiveKey(userHash: string, id: string): string {
  return `${userHash}/${id}.tar.zst`
}

export function factsKey(userHash: string, id: string): string {
  return `${userHash}/${id}${FACTS_SUFFIX}`
}

/** The id that a key of facts is of; undefined for any other key. */
export function idOfFacts(key: string): string | undefined {
  const name = key.slice(key.indexOf('/') + 1)
  const id = name.endsWith(FACTS_SUFFIX) ? name.slice(0, -FACTS_SUFFIX.length) : ''
  return ID.test(id) ? id : undefined
}
