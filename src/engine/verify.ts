import { isDeepStrictEqual } from 'node:util'
import type { ContainerSpec, EffectiveProfile } from './engine.ts'

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
  const { limits, volume } = spec
  const wanted: EffectiveProfile = {
    user: `${spec.uid}:${spec.uid}`,
    memoryBytes: limits.memoryBytes,
    memorySwapBytes: limits.memoryBytes,
    nanoCpus: Math.round(limits.cpus * 1e9),
    pids: limits.pids,
    readOnlyRoot: true,
    privileged: false,
    capAdd: [],
    capsDropped: true,
    noNewPrivileges: true,
    seccomp: true,
    networkMode: spec.network,
    pidMode: '',
    ipcMode: 'private',
    mounts: volume ? [{ type: 'volume', name: volume.name, target: volume.mountPath, readOnly: false }] : [],
  }
  return (Object.keys(wanted) as (keyof EffectiveProfile)[])
    .filter((protection) => !isDeepStrictEqual(wanted[protection], effective[protection]))
    .map((protection) => ({ protection, wanted: wanted[protection], actual: effective[protection] }))
}
