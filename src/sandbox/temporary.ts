import { posix } from 'node:path'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { oneLine } from '../lib/visible-text.ts'
import type { Files } from './files.ts'
import { recordName, TEMPORARY_DIR } from './temporary-names.ts'

/** What this process works with: last parts of paths, which are random. */
const inUse = new Set<string>()

/** True for the name of something temporary that is in the hands of this process. */
export function isInUse(name: string): boolean {
  return inUse.has(name)
}

/**
 * Runs `work`, which may put something at `path`, and removes that in any case, also when the caller has given up. What could not be
 * removed is named in the error of the work; it is the error when the work was done. A server that is killed meanwhile leaves it, in the
 * workspace itself or in {@link TEMPORARY_DIR}, or named by a record there, for the next one to find (`tidy.ts`).
 */
export async function withTemporary<T>(files: Files, path: string, work: () => Promise<T>): Promise<T> {
  const isFound = [files.absolute('.'), files.absolute(TEMPORARY_DIR)].includes(posix.dirname(path))
  const name = isFound ? posix.basename(path) : recordName()
  inUse.add(name)
  try {
    if (isFound) return await removedAfter(files, path, work)
    const record = `${TEMPORARY_DIR}/${name}`
    return await removedAfter(files, record, async () => {
      await files.write(record, Buffer.from(path), { mode: 'create' })
      return await removedAfter(files, path, work)
    })
  } finally {
    inUse.delete(name)
  }
}

async function removedAfter<T>(files: Files, path: string, work: () => Promise<T>): Promise<T> {
  let result: T
  try {
    result = await work()
  } catch (error) {
    const left = await remove(files, path).then(
      () => false,
      () => true,
    )
    throw left ? nameLeft(error, oneLine(files.shown(path))) : error
  }
  await remove(files, path)
  return result
}

async function remove(files: Files, path: string): Promise<void> {
  try {
    await files.remove(path, true)
  } catch (error) {
    if (!isSandboxError(error, 'not_found')) throw error
  }
}

function nameLeft(error: unknown, shown: string): unknown {
  if (!isSandboxError(error)) return error
  const hint = `${error.hint} ${shown} could not be removed.`
  return new SandboxError(error.code, error.message, { hint, details: error.details, cause: error })
}
