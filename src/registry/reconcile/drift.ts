import type { ChangeableLimits, ContainerDetails, ContainerSpec } from '../../engine/engine.ts'
import { effectiveLimits, findLimitMismatches, findMismatches } from '../../engine/verify.ts'
import { LABEL } from '../identity.ts'

/** How a container differs from the one that this server would make today. */
export interface Drift {
  /** Protections that are not in force. Nobody may use it: it is made anew at once. */
  readonly weaker: readonly string[]
  /** Limits that the operator changed and the engine can change in place. */
  readonly limits: ChangeableLimits | undefined
  /** What only a new container can have. It is made anew when nobody uses it; the files stay. */
  readonly outdated: readonly Outdated[]
}

/** Another image of the same runtime · other settings (network, OCI runtime, sizes) · less memory than before · limits that could not be changed. */
export type Outdated = 'image' | 'settings' | 'memory' | 'limits'

/** Settings of the operator that are no protection: two servers may have different ones. */
const LIMITS: ReadonlySet<string> = new Set(['memoryBytes', 'memorySwapBytes', 'nanoCpus', 'pids'])

/**
 * Compares a container with what this server would make today. Pure.
 *
 * Servers of one installation may have different settings, as they have while one is replaced by the next. So that they do not replace
 * each other's sandboxes for ever, what is a setting is only ever changed *from older to newer*: a label tells since when the maker's settings
 * hold, and only a server whose own hold since later changes anything. The order is total and a new container moves up in it, so each server
 * touches a container at most once, whatever their clocks say. Protections are not settings: one that is missing is missing for every server.
 */
export function driftOf(found: ContainerDetails, wanted: ContainerSpec): Drift {
  const age = sinceOf(wanted.labels) - sinceOf(found.labels)
  const mismatches = findMismatches(wanted, found.effective).map(({ protection }) => protection)
  const weaker = mismatches.filter(
    (protection) => !LIMITS.has(protection) && !(protection === 'networkMode' && isOtherSetting(found, age < 0)),
  )
  if (age <= 0) return { weaker, limits: undefined, outdated: [] }
  const outdated: Outdated[] = []
  if (found.labels[LABEL.digest] !== wanted.labels[LABEL.digest]) outdated.push('image')
  if (hasOtherSettings(found, wanted)) outdated.push('settings')
  const hasOtherLimits = findLimitMismatches(wanted.limits, found.effective).length > 0
  // Less than is in use would end processes (cgroup v2) or be refused (v1): not while somebody works in it.
  const shrinks = effectiveLimits(wanted.limits).memoryBytes < found.effective.memoryBytes
  if (hasOtherLimits && shrinks) outdated.push('memory')
  const { memoryBytes, cpus, pids } = wanted.limits
  return { weaker, limits: hasOtherLimits && !shrinks ? { memoryBytes, cpus, pids } : undefined, outdated }
}

/** A network that is no weakness: none where one is allowed, or the one that a newer server's operator allows. */
function isOtherSetting({ effective: { networkMode } }: ContainerDetails, isNewer: boolean): boolean {
  return networkMode === 'none' || (networkMode === 'bridge' && isNewer)
}

/** Containers from before there was the label: only their network can be seen. */
function hasOtherSettings(found: ContainerDetails, wanted: ContainerSpec): boolean {
  const settings = found.labels[LABEL.settings]
  if (settings === undefined) return found.effective.networkMode !== wanted.network
  return settings !== wanted.labels[LABEL.settings]
}

/** Without the label, or with one that is no time: older than all that have one. */
function sinceOf(labels: ContainerSpec['labels']): number {
  const since = Number(labels[LABEL.settingsSince])
  return Number.isSafeInteger(since) ? since : 0
}
