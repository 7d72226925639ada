import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, copyFile, constants, link, mkdtemp, open, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import { counted, formatBytes } from '../lib/units.ts'
import { type BackupDeps, skippedText } from './backup.ts'
import { progressLine } from './progress.ts'

export interface ExportArgs {
  /** A file that is not there yet; "-" for standard output. */
  readonly file: string | undefined
  /** An existing file may be replaced. */
  readonly force: boolean
}

/**
 * `sandbox-mcp export USER FILE|-`: one archive with all that a user's workspace is, for any other installation. The file is there when it is
 * whole. Standard output gets it when the copy is done, so that nobody is held still by a slow reader.
 */
export async function exportWorkspace(
  identity: SandboxIdentity,
  { file, force }: ExportArgs,
  { backups, out, stderr, signal }: BackupDeps,
): Promise<void> {
  if (file === undefined)
    throw new SandboxError('invalid_argument', 'Into which file?', {
      hint: 'export USER FILE, or - for standard output.',
    })
  const toStdout = file === '-'
  const path = resolve(file)
  if (!toStdout && !force) await refuseExisting(path)
  const spoolDir = await mkdtemp(
    toStdout ? join(tmpdir(), 'sandbox-mcp-export-') : join(dirname(path), '.sandbox-mcp-export-'),
  ).catch((cause: unknown) => {
    throw new SandboxError('invalid_argument', 'The directory of that file cannot be written.', { cause })
  })
  const line = progressLine(out, stderr)
  try {
    let bytes = 0
    const totals = await backups
      .exportTo(
        identity,
        spoolDir,
        async (archive) => {
          bytes = archive.bytes
          if (toStdout) await pipeline(createReadStream(archive.file), process.stdout, { end: false, signal })
          else await moveTo(archive.file, path, force)
        },
        { signal, onProgress: line.tell },
      )
      .finally(() => line.end())
    // Standard output is the archive's.
    const tell = toStdout ? stderr : (text: string) => out.write(text)
    if (out.json)
      tell(`${JSON.stringify({ id: `id:${identity.userHash}`, file, archiveBytes: bytes, ...totals }, undefined, 2)}\n`)
    else {
      tell(`${counted(totals.files, 'file')}, ${formatBytes(totals.bytes)} in ${formatBytes(bytes)}.\n`)
      tell(skippedText({ totals }))
    }
  } finally {
    await rm(spoolDir, { recursive: true, force: true })
  }
}

async function refuseExisting(path: string): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  )
  if (isThere) throw existing()
}

function existing(): SandboxError {
  return new SandboxError('already_exists', 'There is a file of that name.', {
    hint: 'Choose another name, or add --force.',
  })
}

/** In one step. Without `force` a file that came meanwhile stays. */
async function moveTo(from: string, to: string, force: boolean): Promise<void> {
  if (force) await rename(from, to)
  else {
    await link(from, to).catch(async (cause: unknown) => {
      const code = (cause as { code?: unknown }).code
      if (code === 'EEXIST') throw existing()
      // A file system without hard links.
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw cause
      const beside = `${to}.${randomBytes(4).toString('hex')}`
      await copyFile(from, beside, constants.COPYFILE_EXCL)
      await rename(beside, to)
    })
  }
  const directory = await open(dirname(to))
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
