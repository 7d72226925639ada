import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { BackupTarget, StoredObject } from './target.ts'

/** Beside the users' directories, on the same file system: what is renamed from here is there at once. */
const SPOOL = '.partial'
const PIECE_BYTES = 256 * 1024

/** Backups in a directory of this machine, or one that is mounted on it. Only its owner may enter: they are the files of all users. */
export async function directoryTarget(root: string): Promise<BackupTarget> {
  const spoolDir = join(root, SPOOL)
  await reachable(async () => {
    await mkdir(spoolDir, { recursive: true, mode: 0o700 })
    await access(spoolDir, constants.W_OK)
  })
  const pathOf = (key: string): string => join(root, ...key.split('/'))

  const target: BackupTarget = {
    spoolDir,

    put: (key, file) =>
      reachable(async () => {
        const path = pathOf(key)
        try {
          await mkdir(dirname(path), { recursive: true, mode: 0o700 })
          await rename(file, path)
        } finally {
          await rm(file, { force: true })
        }
        // Without this a crash of the machine may undo the rename (fsync(2)), and with a new user the directory.
        await syncDirectory(dirname(path))
        await syncDirectory(root)
      }),

    async putText(key, text) {
      const file = join(spoolDir, `text-${randomBytes(8).toString('hex')}.tmp`)
      await reachable(async () => {
        const handle = await open(file, 'wx', 0o600)
        try {
          await handle.writeFile(text)
          await handle.sync()
        } finally {
          await handle.close()
        }
      })
      await target.put(key, file)
    },

    getText: (key, maxBytes) =>
      reachable(async () => {
        const handle = await open(pathOf(key)).catch(ifMissing)
        if (!handle) return undefined
        try {
          const buffer = Buffer.alloc(maxBytes + 1)
          const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0)
          if (bytesRead > maxBytes) throw new SandboxError('backup_damaged', 'The facts of a backup are too long.')
          return buffer.toString('utf8', 0, bytesRead)
        } finally {
          await handle.close()
        }
      }),

    async *read(key, signal) {
      const handle = await reachable(() => open(pathOf(key)).catch(ifMissing))
      if (!handle) throw new SandboxError('not_found', 'There is no such backup.')
      try {
        for (;;) {
          signal?.throwIfAborted()
          const buffer = Buffer.allocUnsafe(PIECE_BYTES)
          const { bytesRead } = await reachable(() => handle.read(buffer, 0, buffer.length))
          if (bytesRead === 0) return
          yield buffer.subarray(0, bytesRead)
        }
      } finally {
        await handle.close()
      }
    },

    list: (prefix) =>
      reachable(async () => {
        const slash = prefix.indexOf('/')
        const directories = slash < 0 ? await namesIn(root) : [prefix.slice(0, slash)]
        const found: StoredObject[] = []
        for (const directory of directories.filter((name) => !name.startsWith('.'))) {
          for (const name of await namesIn(join(root, directory))) {
            const key = `${directory}/${name}`
            const info = key.startsWith(prefix) ? await stat(pathOf(key)).catch(ifMissing) : undefined
            if (info?.isFile()) found.push({ key, bytes: info.size, writtenMs: info.mtimeMs })
          }
        }
        return found
      }),

    remove: (key) =>
      reachable(async () => {
        await rm(pathOf(key), { force: true })
        // The last one takes its directory with it.
        await rmdir(dirname(pathOf(key))).catch(ignoreNotEmpty)
      }),

    sweep: (olderThanMs) =>
      reachable(async () => {
        let removed = 0
        for (const name of await namesIn(spoolDir)) {
          const path = join(spoolDir, name)
          const info = await stat(path).catch(ifMissing)
          if (!info || Date.now() - info.mtimeMs < olderThanMs) continue
          await rm(path, { force: true })
          removed++
        }
        return removed
      }),
  }
  return target
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return (await readdir(directory).catch(ifMissing)) ?? []
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function codeOfSystem(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function ifMissing(error: unknown): undefined {
  const code = codeOfSystem(error)
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
}

function ignoreNotEmpty(error: unknown): void {
  const code = codeOfSystem(error)
  if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw error
}

/** What the system says of the directory, in our words. */
export async function reachable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof SandboxError) throw cause
    const code = codeOfSystem(cause)
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new SandboxError('disk_full', 'There is no room where backups are kept.', {
        hint: 'Nothing was changed. Remove old backups, or tell the operator.',
        cause,
      })
    }
    if (typeof code !== 'string') throw cause
    throw new SandboxError('backup_unavailable', 'The place where backups are kept cannot be used.', { cause })
  }
}
