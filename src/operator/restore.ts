import { SandboxError } from '../errors/sandbox-error.ts'
import type { Engine } from '../engine/engine.ts'
import { counted, formatBytes } from '../lib/units.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import { findWorkspace, resolveOwner } from '../registry/owner.ts'
import { type BackupDeps, refuseUnconfirmed } from './backup.ts'
import { progressLine } from './progress.ts'

export interface RestoreArgs {
  /** Undefined: the newest that is no snapshot. */
  readonly id: string | undefined
  /** The operator has said that the present files may go. */
  readonly confirmed: boolean
}

/**
 * `sandbox-mcp restore USER [ID] --yes`: makes a backup the user's workspace. The files are written and compared before the present ones go; what
 * runs in the sandbox ends with those.
 */
export async function restore(
  identity: SandboxIdentity,
  { id, confirmed }: RestoreArgs,
  { backups, engine, out, stderr, signal }: BackupDeps & { readonly engine: Engine },
): Promise<void> {
  refuseUnconfirmed(confirmed, await hasFiles(engine, identity))
  const facts =
    id === undefined
      ? (await backups.list(identity)).find(({ kind }) => kind !== 'snapshot')
      : await backups.find(identity, id)
  if (!facts) throw new SandboxError('not_found', 'There is no backup of this user.')
  const line = progressLine(out, stderr)
  await backups.restore(identity, facts, { signal, onProgress: line.tell }).finally(() => line.end())
  const { totals } = facts
  const shown = { id: `id:${identity.userHash}`, backup: facts.id, files: totals.files, bytes: totals.bytes }
  if (out.json) out.write(`${JSON.stringify(shown, undefined, 2)}\n`)
  else
    out.write(
      `${shown.id} has the files of ${facts.id}: ${counted(totals.files, 'file')}, ${formatBytes(totals.bytes)}.\n`,
    )
}

export async function hasFiles(engine: Engine, identity: SandboxIdentity): Promise<boolean> {
  const owner = await resolveOwner(engine, identity)
  return owner.archive !== undefined || (await findWorkspace(engine, owner)) !== undefined
}
