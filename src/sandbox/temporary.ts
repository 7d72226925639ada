import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { oneLine } from '../lib/visible-text.ts'
import type { Files } from './files.ts'

/**
 * Runs `work`, which may put something at `path`, and removes that in any case, also when the caller has given up. What could not be
 * removed is named in the error of the work; it is the error when the work was done.
 */
export async function withTemporary<T>(files: Files, path: string, work: () => Promise<T>): Promise<T> {
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
