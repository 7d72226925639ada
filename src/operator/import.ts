import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Engine } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { counted, formatBytes } from '../lib/units.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import { type BackupDeps, refuseUnconfirmed } from './backup.ts'
import { progressLine } from './progress.ts'
import { hasFiles } from './restore.ts'

export interface ImportArgs {
  /** "-" for standard input. */
  readonly file: string | undefined
  /** The operator has said that present files may go. */
  readonly confirmed: boolean
}

const PIECE_BYTES = 1024 * 1024

/**
 * `sandbox-mcp import USER FILE|-`: makes an archive of `export`, of whatever user and installation, this user's workspace. The archive is
 * trusted with nothing: it is checked as it is read, written inside of a container as the user, and compared.
 */
export async function importWorkspace(
  identity: SandboxIdentity,
  { file, confirmed }: ImportArgs,
  { backups, engine, out, stderr, signal }: BackupDeps & { readonly engine: Engine },
): Promise<void> {
  if (file === undefined)
    throw new SandboxError('invalid_argument', 'From which file?', {
      hint: 'import USER FILE, or - for standard input.',
    })
  refuseUnconfirmed(confirmed, await hasFiles(engine, identity))
  const source: AsyncIterable<Buffer> = file === '-' ? process.stdin : await opened(file)
  const line = progressLine(out, stderr)
  const totals = await backups.importFrom(identity, source, { signal, onProgress: line.tell }).finally(() => line.end())
  const id = `id:${identity.userHash}`
  if (out.json) out.write(`${JSON.stringify({ id, ...totals }, undefined, 2)}\n`)
  else out.write(`${id} has ${counted(totals.files, 'file')}, ${formatBytes(totals.bytes)}.\n`)
}

async function opened(file: string): Promise<AsyncIterable<Buffer>> {
  const info = await stat(file).catch(() => undefined)
  if (!info?.isFile())
    throw new SandboxError('not_found', 'There is no such file.', { hint: 'Give an archive of sandbox-mcp export.' })
  return createReadStream(file, { highWaterMark: PIECE_BYTES })
}
