import { posix } from 'node:path'
import { isSandboxError } from '../errors/sandbox-error.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import type { EntryPage } from '../supervisor/protocol.ts'
import type { Files } from './files.ts'
import { isInUse } from './temporary.ts'
import { INSTALL_NAME, RECORD_NAME, SPOOL_NAME, STAGING_GLOB, STAGING_NAME, TEMPORARY_DIR } from './temporary-names.ts'

/** Leftovers that are looked at in one round; there is one for each call that was under way when a server was killed. */
const MAX_LEFT = 200
/** A record holds one path (PATH_MAX of limits.h). */
const MAX_RECORD_BYTES = 4096

/**
 * Removes what calls of servers that were killed have left in a workspace: half unpacked archives, spooled zips, packages that were never
 * installed. Nothing in it can be in use: it was there before the supervisor said that this server alone is connected to it, and this server's
 * own is known. Packages may be in use by a command that goes on without its server, so they go only from a sandbox that was started after.
 * Whatever a name or a record says, it is done inside, with the rights of the sandbox's own user. `isNewBoot`: the sandbox was started since. Resolves to how many things were removed.
 */
export async function tidy(client: Pick<SupervisorClient, 'info'>, files: Files, isNewBoot: boolean): Promise<number> {
  const left = [
    ...(await listed(files, '.', [STAGING_GLOB], [STAGING_NAME])),
    ...(await listed(files, TEMPORARY_DIR, [], [STAGING_NAME, SPOOL_NAME, RECORD_NAME, INSTALL_NAME])),
  ]
  const stale = left.filter(({ name }) => !isInUse(name))
  if (stale.length === 0) return 0
  const { connections } = await client.info()
  if (connections > 1) return 0
  let removed = 0
  for (const { path, name } of stale) {
    if (INSTALL_NAME.test(name) && !isNewBoot) continue
    if (RECORD_NAME.test(name)) await removeRecorded(files, path)
    await files.remove(path, true)
    removed++
  }
  return removed
}

interface Left {
  readonly path: string
  readonly name: string
}

/** What lies in a directory and has one of these names. None when there is no such directory. */
async function listed(
  files: Files,
  directory: string,
  globs: readonly string[],
  names: readonly RegExp[],
): Promise<Left[]> {
  const spec = { depth: 1, hidden: true, sort: 'name', limit: MAX_LEFT, skip: 0, globs } as const
  let entries: EntryPage['entries']
  try {
    ;({ entries } = await files.list(directory, spec))
  } catch (error) {
    if (isSandboxError(error, 'not_found')) return []
    throw error
  }
  return entries
    .map(({ path }) => Buffer.from(path).toString('latin1'))
    .filter((name) => names.some((known) => known.test(name)))
    .map((name) => ({ path: files.absolute(posix.join(directory, name)), name }))
}

/** Only what has the name of a staging directory: a record is a file that the user could have written. */
async function removeRecorded(files: Files, record: string): Promise<void> {
  const { data } = await files.readBytes(record, MAX_RECORD_BYTES)
  const path = data.toString()
  if (!STAGING_NAME.test(posix.basename(path)) || path.includes('\0')) return
  try {
    await files.remove(path, true)
  } catch (error) {
    if (!isSandboxError(error, 'not_found')) throw error
  }
}
