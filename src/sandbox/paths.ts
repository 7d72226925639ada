import { posix } from 'node:path'
import { SandboxError } from '../errors/sandbox-error.ts'

/** Linux PATH_MAX without its NUL, and NAME_MAX (limits.h), in bytes. */
const PATH_MAX_BYTES = 4095
const NAME_MAX_BYTES = 255

/**
 * The absolute path that a caller means: relative ones start in `base`. Only text is looked at (`.`, `..`, `//`); links are the
 * kernel's business, inside the sandbox. Nothing is confined to the workspace: the container is the boundary.
 */
export function resolvePath(path: string, base: string): string {
  if (path === '') throw new SandboxError('invalid_argument', 'The path is empty.', { hint: 'Name a file or "." .' })
  if (path.includes('\0')) throw new SandboxError('invalid_argument', 'The path holds a NUL character.')
  const resolved = posix.resolve(base, path)
  if (Buffer.byteLength(resolved) > PATH_MAX_BYTES) {
    throw new SandboxError('invalid_argument', `The path is longer than ${PATH_MAX_BYTES} bytes.`)
  }
  if (resolved.split('/').some((name) => Buffer.byteLength(name) > NAME_MAX_BYTES)) {
    throw new SandboxError('invalid_argument', `A name in the path is longer than ${NAME_MAX_BYTES} bytes.`)
  }
  return resolved
}

/** How a path is shown: relative to the workspace when it lies in it. */
export function displayPath(path: string, workspace: string): string {
  if (path === workspace) return '.'
  return path.startsWith(`${workspace}/`) ? path.slice(workspace.length + 1) : path
}
