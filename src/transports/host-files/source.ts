import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readlink, realpath } from 'node:fs/promises'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { HostSource } from '../../lib/handover.ts'
import { oneLine } from '../../lib/visible-text.ts'
import { absoluteIn, liesIn, realDirectories } from './directories.ts'

/** Not through a link as the last part, and without waiting for the other end of a pipe. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * Opens a regular file below one of the directories for reading. What was opened is what is judged, after it was opened: a directory on the way
 * that is swapped for a link between a check and the use gains nothing (CVE-2025-53109 and its successors). A path that lies outside by
 * its text is refused before the host is asked anything, so that nobody learns what is there; what is inside is either a regular
 * file or `not_found`.
 */
export async function openHostFile(directories: readonly string[], path: string): Promise<HostSource> {
  const named = absoluteIn(directories, path)
  const shown = oneLine(path)
  if (path.includes('\0') || !directories.some((each) => liesIn(each, named))) {
    throw new SandboxError('permission_denied', `${shown} is not in a directory that the operator has allowed.`, {
      hint: `Allowed: ${directories.join(', ')}.`,
    })
  }
  const handle = await openAsItIs(named)
  try {
    if (handle && (await isInside(handle, named, await realDirectories(directories)))) return source(handle)
  } catch (error) {
    await handle?.close()
    throw error
  }
  await handle?.close()
  throw new SandboxError('not_found', `${shown} is no regular file in a directory that the operator has allowed.`, {
    hint: `Allowed: ${directories.join(', ')}. Links out of them are not followed.`,
  })
}

/** Undefined for what is not there, cannot be read or is no regular file. Looked at before it is opened, since opening a device may do things. */
async function openAsItIs(named: string): Promise<FileHandle | undefined> {
  let handle: FileHandle | undefined
  try {
    const real = await realpath(named)
    if (!(await lstat(real)).isFile()) return undefined
    handle = await open(real, FLAGS)
    if ((await handle.stat()).isFile()) return handle
  } catch {
    // Told as one: what is wrong with a path would tell what is there.
  }
  await handle?.close()
  return undefined
}

/** Whether the open file lies in one of the directories. */
async function isInside(handle: FileHandle, named: string, directories: readonly string[]): Promise<boolean> {
  // The kernel's own word on Linux, about the file and not about a name (proc(5), /proc/pid/fd).
  const kernelPath = await readlink(`/proc/self/fd/${handle.fd}`).catch(() => undefined)
  if (kernelPath !== undefined) return directories.some((each) => liesIn(each, kernelPath))
  // Elsewhere: the name leads, without links, to the very file that is open.
  const real = await realpath(named)
  const [entry, opened] = await Promise.all([lstat(real, { bigint: true }), handle.stat({ bigint: true })])
  return entry.dev === opened.dev && entry.ino === opened.ino && directories.some((each) => liesIn(each, real))
}

function source(handle: FileHandle): HostSource {
  return {
    content: handle.createReadStream({ autoClose: false }),
    [Symbol.asyncDispose]: () => handle.close(),
  }
}
