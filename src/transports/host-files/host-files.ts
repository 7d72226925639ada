import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import type { HostFiles, HostTarget } from '../../lib/handover.ts'
import { openHostFile } from './source.ts'
import { createHostFile } from './target.ts'

/** Files of the machine that this server runs on, in the operator's directories: any of them to read from, the first to write to. */
export function hostFiles(directories: readonly [string, ...string[]], maxBytes: number): HostFiles {
  return {
    maxBytes,
    open: (path) => openHostFile(directories, path),
    create: async (name) => guarded(await told(() => createHostFile(directories[0], name))),
  }
}

function guarded(target: HostTarget): HostTarget {
  return {
    write: (chunk) => told(() => target.write(chunk)),
    commit: () => told(() => target.commit()),
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  }
}

/** A full disk, or a directory that cannot be written to, is for the user to mend; its path stays in the log. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (isSandboxError(cause)) throw cause
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new SandboxError('disk_full', 'No space is left on the host.', {
        hint: 'Ask the user to make room.',
        cause,
      })
    }
    throw new SandboxError('permission_denied', `The host directory cannot be written to (${code}).`, {
      hint: 'Ask the operator to look at hostDir.',
      cause,
    })
  }
}
