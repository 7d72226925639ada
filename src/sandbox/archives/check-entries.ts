import { SandboxError } from '../../errors/sandbox-error.ts'
import { oneLine } from '../../lib/visible-text.ts'
import type { ArchiveEntry, RawEntry } from './entry.ts'
import type { EntryTree } from './entry-tree.ts'
import type { UnpackBudget } from './unpack-budget.ts'

const NAME_MAX_BYTES = 255
const PATH_MAX_BYTES = 1024
const MAX_DEPTH = 64
/** What the decoder puts where bytes are no UTF-8: two such names would become one. */
const REPLACEMENT = '\ufffd'

/**
 * Passes the entries of an archive on, each checked: no absolute path or `..` (writing outside the target), no link (writing through
 * one), no device, no encryption, nothing twice; bounded in number, size, depth and length of paths. `tree` receives them.
 */
export async function* checkedEntries(
  raw: AsyncIterable<RawEntry>,
  tree: EntryTree,
  budget: UnpackBudget,
): AsyncGenerator<ArchiveEntry, void> {
  for await (const each of raw) {
    const { type } = each
    const path = checkedPath(each.path)
    if (typeof type !== 'string') throw refuse(each.path, `is ${type.refused}`)
    budget.announce(each.declaredBytes)
    if (path !== '') {
      const conflict = tree.add(path, type)
      if (conflict !== undefined) throw refuse(each.path, conflict)
      budget.checkEntries(tree.size)
      yield { ...each, path, type }
      // "./" itself is in most archives of a directory.
    } else if (type === 'file') throw refuse(each.path, 'has no name')
  }
}

function checkedPath(path: string): string {
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) throw refuse(path, 'has an absolute path')
  if (path.includes('\0') || path.includes('\\')) throw refuse(path, 'has a NUL or a backslash in its path')
  if (path.includes(REPLACEMENT)) throw refuse(path, 'has a name that is not UTF-8')
  const names = path.split('/').filter((name) => name !== '' && name !== '.')
  if (names.includes('..')) throw refuse(path, 'leads out of the target directory with ".."')
  if (names.length > MAX_DEPTH) throw refuse(path, `is more than ${MAX_DEPTH} directories deep`)
  const isTooLong =
    Buffer.byteLength(path) > PATH_MAX_BYTES || names.some((name) => Buffer.byteLength(name) > NAME_MAX_BYTES)
  if (isTooLong) throw refuse(path, 'has too long a path')
  return names.join('/')
}

function refuse(path: string, why: string): SandboxError {
  return new SandboxError('invalid_argument', `The archive is refused: ${oneLine(path)} ${why}.`, {
    hint: 'Nothing was changed. Leave the entry out, or upload the archive without extract and unpack it with shell_exec.',
  })
}
