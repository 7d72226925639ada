import { SandboxError } from '../errors/sandbox-error.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import type { SnapshotKeeper } from '../registry/snapshot-keeper.ts'
import type { Snapshot } from '../sandbox/control.ts'
import type { Backups } from './backups.ts'
import type { BackupFacts } from './facts.ts'

/** Backups that users make of their own files. `perUser` 0: none. */
export function snapshotsOf(backups: Backups, perUser: number): SnapshotKeeper {
  return {
    async take(identity, name, options) {
      refuse(identity, perUser)
      return toSnapshot(await backups.create(identity, { ...options, kind: 'snapshot', name, verify: false }))
    },
    async list(identity) {
      return (await backups.list(identity)).filter(({ kind }) => kind === 'snapshot').map(toSnapshot)
    },
    async restore(identity, wanted, whileDown, options) {
      refuse(identity, perUser)
      const facts = await backups.findSnapshot(identity, wanted)
      await backups.restore(identity, facts, { ...options, whileDown })
      return toSnapshot(facts)
    },
  }
}

function refuse({ isAnonymous }: SandboxIdentity, perUser: number): void {
  if (perUser === 0) {
    throw new SandboxError('forbidden', 'Snapshots are switched off on this server.', {
      hint: 'Keep a copy with download, or in another directory.',
    })
  }
  if (!isAnonymous) return
  throw new SandboxError('forbidden', 'A session without a user has no snapshots: its files end with it.', {
    hint: 'Keep a copy with download.',
  })
}

function toSnapshot({ id, name, head, totals, archive }: BackupFacts): Snapshot {
  const { fifo, socket, device, unreadable } = totals.skipped
  return {
    id,
    name: name ?? undefined,
    createdAt: head.createdAt,
    files: totals.files,
    bytes: totals.bytes,
    compressedBytes: archive.bytes,
    skipped: fifo + socket + device + unreadable,
  }
}
