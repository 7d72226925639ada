import type { BackupFacts } from './facts.ts'

/** How many backups of a user stay. Snapshots, which users make themselves, are counted apart. */
export interface Retention {
  /** Backups and archives. At least 1. */
  readonly keep: number
  /** Age beyond which they go, in milliseconds; 0: no limit. The newest stays however old it is. */
  readonly maxAgeMs: number
  readonly snapshots: number
  /** Of all snapshots of a user, compressed. */
  readonly snapshotBytes: number
}

/** The backups that go now that `newest` is there. It never goes itself. */
export function superseded(
  all: readonly BackupFacts[],
  newest: BackupFacts,
  retention: Retention,
  nowMs: number,
): readonly BackupFacts[] {
  const others = all.filter(({ id }) => id !== newest.id).toSorted((a, b) => (a.id < b.id ? 1 : -1))
  return newest.kind === 'snapshot' ? oldSnapshots(others, newest, retention) : oldBackups(others, retention, nowMs)
}

function oldBackups(others: readonly BackupFacts[], { keep, maxAgeMs }: Retention, nowMs: number): BackupFacts[] {
  const backups = others.filter(({ kind }) => kind !== 'snapshot')
  return backups.filter(({ head }, i) => {
    return i + 1 >= keep || (maxAgeMs > 0 && nowMs - Date.parse(head.createdAt) > maxAgeMs)
  })
}

function oldSnapshots(
  others: readonly BackupFacts[],
  newest: BackupFacts,
  { snapshots, snapshotBytes }: Retention,
): BackupFacts[] {
  let count = 1
  let bytes = newest.archive.bytes
  return others
    .filter(({ kind }) => kind === 'snapshot')
    .filter((each) => {
      if (each.name !== null && each.name === newest.name) return true
      if (count + 1 > snapshots || bytes + each.archive.bytes > snapshotBytes) return true
      count++
      bytes += each.archive.bytes
      return false
    })
}
