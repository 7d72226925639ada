import { isDeepStrictEqual } from 'node:util'
import type { ChangeableLimits, ContainerSpec, EffectiveProfile } from './engine.ts'

/** A protection that is not in force as it was asked for. */
export interface Mismatch {
  readonly protection: string
  readonly wanted: unknown
  readonly actual: unknown
}

/**
 * Compares what an engine says is in force with what the spec asks for; the list is empty when all is well. Engines are known to
 * drop a protection that they cannot give without an error (rootless engines on cgroup v1: all limits; Swarm on Docker 20.10:
 * no-new-privileges).
 */
export function findMismatches(spec: ContainerSpec, effective: EffectiveProfile): readonly Mismatch[] {
  return compare(wantedProfile(spec), effective)
}

/** What is in force where an engine gives all that the spec and the hardening profile ask for. */
export function wantedProfile(spec: ContainerSpec): EffectiveProfile {
  return {
    user: `${spec.uid}:${spec.gid ?? spec.uid}`,
    ...effectiveLimits(spec.limits),
    readOnlyRoot: true,
    privileged: false,
    capAdd: [],
    capsDropped: true,
    noNewPrivileges: true,
    seccomp: true,
    networkMode: spec.network,
    pidMode: '',
    ipcMode: 'private',
    mounts: wantedMounts(spec),
  }
}

/** The same for the limits that can be changed. */
export function findLimitMismatches(limits: ChangeableLimits, effective: EffectiveProfile): readonly Mismatch[] {
  return compare(effectiveLimits(limits), effective)
}

type EffectiveLimits = Pick<EffectiveProfile, 'memoryBytes' | 'memorySwapBytes' | 'nanoCpus' | 'pids'>

/** Limits in the words of what is in force. */
export function effectiveLimits({ memoryBytes, cpus, pids }: ChangeableLimits): EffectiveLimits {
  return { memoryBytes, memorySwapBytes: memoryBytes, nanoCpus: Math.round(cpus * 1e9), pids }
}

function compare(wanted: Partial<EffectiveProfile>, effective: EffectiveProfile): readonly Mismatch[] {
  return (Object.keys(wanted) as (keyof EffectiveProfile)[])
    .filter((protection) => !isDeepStrictEqual(wanted[protection], effective[protection]))
    .map((protection) => ({ protection, wanted: wanted[protection], actual: effective[protection] }))
}

/** Nothing that is mounted on one side shows on the other. */
export const BIND_PROPAGATION = 'rprivate'

/** The one mount of a sandbox, as it is to be read back. */
function wantedMounts({ volume, bind }: ContainerSpec): EffectiveProfile['mounts'] {
  if (volume) {
    const { name, mountPath: target, readOnly = false } = volume
    return [{ type: 'volume', name, target, readOnly }]
  }
  if (!bind) return []
  return [{ type: 'bind', name: bind.source, target: bind.mountPath, readOnly: false, propagation: BIND_PROPAGATION }]
}
