import type { Config } from '../../config/settings.ts'
import { formatBytes } from '../../lib/units.ts'
import type { MemoryReading } from '../../registry/memory-watch.ts'
import { type Finding, ok, warn } from './finding.ts'

/** Who holds the size of workspaces. */
export function workspaceCheck({
  workspaceSize,
  workspaceFiles,
  volumeOptions,
}: Pick<Config, 'workspaceSize' | 'workspaceFiles' | 'volumeOptions'>): Finding {
  const check = 'workspace size'
  const limits = [
    ...(workspaceSize > 0 ? [formatBytes(workspaceSize)] : []),
    ...(workspaceFiles > 0 ? [`${workspaceFiles.toLocaleString('en-US')} files`] : []),
  ]
  if (limits.length === 0) {
    return warn(
      check,
      'no limit',
      'Set workspaceSize: one user can fill the disk of all until diskFloor stops everybody.',
    )
  }
  if (Object.values(volumeOptions).some((value) => value.includes('{size}'))) {
    return ok(check, `${limits.join(', ')}; held by the kernel in volumes that are made from now on`)
  }
  return ok(
    check,
    `${limits.join(', ')}; watched: a command can be beyond it for a moment (volumeOptions lets the kernel hold it)`,
  )
}

/** Whether the memory of the engine's machine can be watched, and what of it is left. */
export function memoryFinding(reading: MemoryReading | undefined, floorBytes: number): Finding {
  const check = 'memory pressure'
  if (!reading) return ok(check, 'not to be seen from here: the engine is not on this machine')
  const { availableBytes, stalledPercent } = reading
  const pressure = stalledPercent === undefined ? 'the kernel tells no pressure' : `stalled ${stalledPercent} %`
  const found = `${formatBytes(availableBytes)} available, ${pressure}`
  if (availableBytes >= floorBytes) return ok(check, found)
  return warn(check, found, 'Idle sandboxes are put to sleep for it. Lower memory or maxRunning, or get more memory.')
}
