import { posix } from 'node:path'
import pLimit from 'p-limit'
import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import type { StatResult } from '../../supervisor/client.ts'
import type { Files } from '../files.ts'
import type { EntryDirectory, EntryNode } from './entry-tree.ts'

/** What is unpacked, and where it belongs. */
export interface Placement {
  readonly files: Files
  /** Directory that holds what `root` names, in the file system of `target`. */
  readonly staged: string
  readonly root: EntryDirectory
  readonly target: string
  readonly overwrite: boolean
}

interface Move {
  /** Below both directories. */
  readonly path: string
  readonly noReplace: boolean
}

const REQUESTS_AT_ONCE = 16

/**
 * Merges a staged tree into its target by renames: what is new there goes as a whole, however much is below it; directories that are
 * there are kept and entered; files that are there are replaced. All is looked at first, so that a conflict (`already_exists`) changes
 * nothing. Links in the target are never followed: a file takes the place of one, a directory conflicts with it.
 */
export async function putInPlace(placement: Placement, signal: AbortSignal | undefined): Promise<void> {
  const { files, staged, target } = placement
  const moves = await plan(placement, signal)
  // From here on to the end: a caller that gives up now would get a half of it.
  await files.makeDirectory(target)
  const limit = pLimit(REQUESTS_AT_ONCE)
  let done = 0
  const outcomes = await Promise.allSettled(
    moves.map(({ path, noReplace }) =>
      limit(async () => {
        await files.rename(posix.join(staged, path), posix.join(target, path), noReplace)
        done++
      }),
    ),
  )
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed) throw withConsequence(failed.reason, done, moves.length)
}

async function plan(placement: Placement, signal: AbortSignal | undefined): Promise<Move[]> {
  const { files, root, target } = placement
  const limit = pLimit(REQUESTS_AT_ONCE)
  if (!(await find(() => files.stat(target, signal)))) return [...root.keys()].map(whole)
  const visit = async (directory: EntryDirectory, below: string): Promise<Move[]> => {
    const moves = [...directory].map(async ([name, node]) => {
      const path = posix.join(below, name)
      const there = await limit(() => find(() => files.lstat(posix.join(target, path), signal)))
      if (!there) return [whole(path)]
      const conflict = conflictOf(node, there, placement.overwrite)
      if (conflict) throw refuse(files.shown(posix.join(target, path)), conflict)
      return node === 'file' ? [{ path, noReplace: false }] : await visit(node, path)
    })
    return (await Promise.all(moves)).flat()
  }
  return await visit(root, '')
}

function whole(path: string): Move {
  return { path, noReplace: true }
}

async function find(look: () => Promise<StatResult>): Promise<StatResult | undefined> {
  try {
    return await look()
  } catch (error) {
    if (isSandboxError(error, 'not_found')) return undefined
    throw error
  }
}

function conflictOf(node: EntryNode, { type }: StatResult, overwrite: boolean): string | undefined {
  if (node !== 'file') return type === 'directory' ? undefined : 'is there and is no directory, as it is in the archive'
  if (type === 'directory') return 'is a directory and not a file, as it is in the archive'
  return overwrite ? undefined : 'exists already'
}

function refuse(shown: string, conflict: string): SandboxError {
  return new SandboxError('already_exists', `${shown} ${conflict}.`, {
    hint: 'Nothing was changed. Choose another path, remove what is there, or allow overwriting.',
  })
}

/** The target changed, or became unwritable, between the look and the renames. */
function withConsequence(error: unknown, done: number, moves: number): unknown {
  if (!isSandboxError(error)) return error
  return new SandboxError(error.code, error.message, {
    hint: `${error.hint} ${done} of ${moves} files and directories of the archive were put in place before that.`,
    details: error.details,
    cause: error,
  })
}
