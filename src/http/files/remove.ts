import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import { hasConditions, isNotModified } from './conditions.ts'
import { present } from './receive-file.ts'
import type { FileScene } from './scene.ts'

/**
 * Answers a DELETE: a file, a link (never what it points to), an empty directory, or with `recursive` a directory and all below it. Conditions
 * are decided just before; unlike those of a PUT they cannot be held to the end.
 */
export async function removePath(
  { request, response, sandbox, signal }: FileScene,
  path: string,
  recursive: boolean,
): Promise<void> {
  if (hasConditions(request.headers)) {
    isNotModified(request.headers, false, await present(sandbox, path, signal))
  }
  try {
    await sandbox.files.remove(path, recursive, signal)
  } catch (error) {
    if (recursive || !isSandboxError(error, 'already_exists')) throw error
    throw new SandboxError('already_exists', error.message, {
      hint: 'Add ?recursive to remove all of it.',
      cause: error,
    })
  }
  response.status(204).end()
}
