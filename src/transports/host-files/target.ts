import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, link, mkdir, open, unlink } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { HostTarget } from '../../lib/handover.ts'

/** Names that are tried: "report.csv", "report-2.csv", … */
const MAX_NAMES = 1000
const MAX_NAME_CHARACTERS = 100
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])
/** Names of devices on Windows, whatever their extension. */
const DEVICES = /^(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i

/**
 * Starts a file in a directory of the host. It is written under a name of its own and linked to its final one when it is whole: link(2) fails
 * where something has that name, so nothing is ever overwritten and nobody sees half a file.
 */
export async function createHostFile(directory: string, name: string): Promise<HostTarget> {
  await mkdir(directory, { recursive: true })
  const temporary = join(directory, `.sandbox-mcp-${randomBytes(9).toString('hex')}`)
  // For the user alone: what comes out of a sandbox is the user's.
  const handle = await open(temporary, 'wx', 0o600)
  let isClosed = false
  const close = async () => {
    if (!isClosed) await handle.close()
    isClosed = true
  }
  return {
    async write(chunk) {
      await handle.writeFile(chunk)
    },
    async commit() {
      await handle.sync()
      await close()
      return linkFree(temporary, directory, hostName(name))
    },
    async [Symbol.asyncDispose]() {
      await close()
      await unlink(temporary)
    },
  }
}

/** A name that no system gives a meaning of its own: no directory, no hidden file, no device, nothing but letters, digits and ` ._-+`. */
export function hostName(name: string): string {
  const plain = name
    .normalize('NFC')
    .replace(/[^\p{L}\p{N} ._+-]/gu, '_')
    .replace(/^[. ]+/, '')
    .replace(DEVICES, (device) => `_${device}`)
  const extension = /\.tar\.gz$/i.exec(plain)?.[0] ?? extname(plain)
  const stem = plain.slice(0, plain.length - extension.length)
  const cut = Array.from(stem).slice(0, MAX_NAME_CHARACTERS).join('') + Array.from(extension).slice(0, 16).join('')
  // Windows drops a final dot or space.
  return cut.replace(/[. ]+$/, '') || 'download'
}

async function linkFree(temporary: string, directory: string, name: string): Promise<string> {
  const extension = /\.tar\.gz$/i.exec(name)?.[0] ?? extname(name)
  const stem = name.slice(0, name.length - extension.length)
  for (let number = 1; number <= MAX_NAMES; number++) {
    const path = join(directory, number === 1 ? name : `${stem}-${number}${extension}`)
    try {
      await link(temporary, path).catch(async (error: unknown) => {
        // FAT and some network file systems have no hard links: a copy is seen while it grows, but overwrites nothing either.
        if (!NO_LINKS.has(codeOf(error))) throw error
        await copyFile(temporary, path, constants.COPYFILE_EXCL)
      })
      return path
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
  throw new SandboxError('already_exists', `${MAX_NAMES} files of this name are in the host directory.`, {
    hint: 'Ask the user to clear it.',
  })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
