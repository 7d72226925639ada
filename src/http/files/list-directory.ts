import { isUtf8 } from 'node:buffer'
import * as z from 'zod'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { respondJson } from '../present.ts'
import { entityTag } from './conditions.ts'
import type { FileScene } from './scene.ts'
import { flag, number } from './target.ts'

type Entry = Awaited<ReturnType<Sandbox['files']['list']>>['entries'][number]

const DEFAULT_LIMIT = 1000
const MAX_LIMIT = 10_000
const MAX_DEPTH = 64
const MAX_SKIP = 999_999_999

/** The parameters of a listing. */
export const listQuery = z.strictObject({
  list: flag,
  depth: number(1, MAX_DEPTH).default(1),
  hidden: flag,
  sort: z.enum(['name', 'mtime', 'size'], 'give name, mtime or size').default('name'),
  limit: number(1, MAX_LIMIT).default(DEFAULT_LIMIT),
  cursor: number(0, MAX_SKIP).default(0),
})

/**
 * Answers with one page of the entries below a directory, as JSON. Names that are not UTF-8, which no URL can express, come with
 * `name_base64` in addition, and with U+FFFD in `path`.
 */
export async function listDirectory(
  { response, sandbox, signal }: FileScene,
  path: string,
  { depth, hidden, sort, limit, cursor }: z.output<typeof listQuery>,
): Promise<void> {
  const page = await sandbox.files.list(path, { depth, hidden, sort, limit, skip: cursor, globs: [] }, signal)
  respondJson(response, 200, {
    path: sandbox.files.shown(path),
    entries: page.entries.map(shown),
    total: page.total,
    ...(page.capped ? { total_is_minimum: true } : {}),
    truncated: page.more,
    ...(page.more ? { next_cursor: String(cursor + page.entries.length) } : {}),
  })
}

function shown(entry: Entry) {
  const { type, sizeBytes, mtimeMs, mode, version } = entry
  return {
    path: entry.path.toString('utf8'),
    ...(isUtf8(entry.path) ? {} : { name_base64: entry.path.toString('base64') }),
    type,
    size: sizeBytes,
    mtime: isoTime(mtimeMs),
    mode: mode.toString(8).padStart(4, '0'),
    ...(type === 'file' && version > 0n ? { etag: entityTag(version) } : {}),
    ...(type === 'symlink' ? { target: entry.target.toString('utf8') } : {}),
    ...(entry.folded > 0 ? { folded: entry.folded } : {}),
  }
}

/** ISO 8601 in UTC. A file may carry any time; one beyond what a Date holds is shown as the epoch. */
function isoTime(ms: number): string {
  const date = new Date(ms)
  return (Number.isNaN(date.getTime()) ? new Date(0) : date).toISOString()
}
