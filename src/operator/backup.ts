import { SandboxError } from '../errors/sandbox-error.ts'
import type { Backups } from '../backup/backups.ts'
import type { BackupFacts } from '../backup/facts.ts'
import { counted, formatBytes } from '../lib/units.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import { type Output, printTable } from './output.ts'
import { progressLine } from './progress.ts'

export interface BackupDeps {
  readonly backups: Backups
  readonly out: Output
  /** For the line that tells what is being done. */
  readonly stderr: (text: string) => void
  /** Fires for Ctrl-C. */
  readonly signal: AbortSignal
}

export interface BackupArgs {
  readonly list: boolean
  /** Id of the backup to remove. */
  readonly remove: string | undefined
  readonly verify: boolean
}

/**
 * `sandbox-mcp backup USER`: copies a user's files to where backups are kept, and restores the copy into a scratch volume to see that it can be;
 * `--no-verify` leaves that out. `--list` shows those that there are, `--remove ID` removes one.
 */
export async function backup(identity: SandboxIdentity, args: BackupArgs, deps: BackupDeps): Promise<void> {
  const { backups, out } = deps
  if (args.list) printList(await backups.list(identity), out)
  else if (args.remove !== undefined) {
    // One that is not there is told, so that a slip of the pen is seen.
    await backups.find(identity, args.remove)
    await backups.remove(identity, args.remove)
    if (out.json) out.write(`${JSON.stringify({ id: args.remove, removed: true }, undefined, 2)}\n`)
    else out.write(`${args.remove} is removed.\n`)
  } else await create(identity, args, deps)
}

async function create(identity: SandboxIdentity, { verify }: BackupArgs, deps: BackupDeps): Promise<void> {
  const { backups, out, stderr, signal } = deps
  const line = progressLine(out, stderr)
  const facts = await backups
    .create(identity, { kind: 'backup', verify, signal, onProgress: line.tell })
    .finally(() => line.end())
  if (out.json) {
    out.write(`${JSON.stringify(facts, undefined, 2)}\n`)
    return
  }
  const { totals, archive } = facts
  const held = facts.heldMs > 0 ? `; the sandbox stood still for ${facts.heldMs} ms` : ''
  const tried = facts.verified ? 'restored on trial and compared' : 'not tried'
  out.write(
    `${facts.id}: ${counted(totals.files, 'file')}, ${formatBytes(totals.bytes)} in ${formatBytes(archive.bytes)}, ${tried}${held}.\n`,
  )
  out.write(skippedText(facts))
}

/** What the copy could not take along. */
export function skippedText({ totals: { skipped } }: Pick<BackupFacts, 'totals'>): string {
  const kinds = Object.entries(skipped).filter(([, count]) => count > 0)
  if (kinds.length === 0) return ''
  return `Left out, as no copy keeps them: ${kinds.map(([kind, count]) => `${count} ${kind}`).join(', ')}.\n`
}

function printList(all: readonly BackupFacts[], out: Output): void {
  if (out.json) {
    out.write(`${JSON.stringify(all, undefined, 2)}\n`)
    return
  }
  if (all.length === 0) {
    out.write('No backups.\n')
    return
  }
  printTable(
    out,
    ['ID', 'KIND', 'NAME', 'FILES', 'SIZE', 'COMPRESSED', 'TRIED'],
    all.map(({ id, kind, name, totals, archive, verified }) => [
      id,
      kind,
      name ?? '-',
      String(totals.files),
      formatBytes(totals.bytes),
      formatBytes(archive.bytes),
      verified ? 'yes' : 'no',
    ]),
  )
}

/** Fails with `invalid_argument` unless the operator has said that the present files may go, or there are none. */
export function refuseUnconfirmed(confirmed: boolean, hasFiles: boolean): void {
  if (confirmed || !hasFiles) return
  throw new SandboxError('invalid_argument', 'The present files of this user would be replaced for good.', {
    hint: 'Add --yes to do that. A backup first keeps them.',
  })
}
