import type { Backups } from '../backup/backups.ts'
import type { Engine } from '../engine/engine.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { counted } from '../lib/units.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import { removeEverything } from '../registry/take-down.ts'
import type { Output } from './output.ts'
import { findSandbox, type FoundSandbox } from './sandboxes.ts'

export interface DestroyArgs {
  /** The operator has said that the files may go. */
  readonly confirmed: boolean
  /** The user's backups and snapshots go, too. */
  readonly withBackups: boolean
}

export interface DestroyDeps {
  readonly engine: Engine
  readonly backups: Pick<Backups, 'list' | 'removeAll'>
  readonly out: Output
}

/**
 * `sandbox-mcp destroy USER --yes [--backups]`: removes a user's container and files for good, and what they chose; backups and snapshots only when
 * that is asked for, too. Without `--yes` nothing is changed. A user who calls again starts with an empty workspace.
 */
export async function destroySandbox(
  identity: SandboxIdentity,
  { confirmed, withBackups }: DestroyArgs,
  { engine, backups, out }: DestroyDeps,
): Promise<void> {
  const id = `id:${identity.userHash}`
  // Where they cannot be listed now, they cannot be removed: that is told before anything is.
  const copies = withBackups ? await backups.list(identity) : []
  const found = await findSandbox(engine, identity).catch((error: unknown) => {
    if (copies.length > 0 && isSandboxError(error, 'not_found')) return undefined
    throw error
  })
  const lost = losses(found, copies.length)
  if (!confirmed) {
    throw new SandboxError('invalid_argument', `${id} would lose ${lost || 'what is noted of it'} for good.`, {
      hint: 'Add --yes to do that.',
    })
  }
  // Before the backups: a sandbox that is archived has its files there.
  await removeEverything(engine, identity)
  if (withBackups) await backups.removeAll(identity)
  if (out.json) out.write(`${JSON.stringify({ id, destroyed: true, backups: copies.length }, undefined, 2)}\n`)
  else {
    const stays = withBackups ? '' : ` Backups stay (sandbox-mcp backup ${id} --list).`
    out.write(`${id} is destroyed${lost && `, with ${lost}`}.${stays}\n`)
  }
}

/** What goes with it. A directory of the host is nobody's to remove. */
function losses(found: FoundSandbox | undefined, copies: number): string {
  const parts = [
    ...(found?.containerId === undefined ? [] : ['its container']),
    ...(found?.volumeName === undefined ? [] : ['its files']),
    ...(copies > 0 ? [counted(copies, 'backup')] : []),
  ]
  return parts.join(', ').replace(/, (?=[^,]*$)/, ' and ')
}
