import { createHash } from 'node:crypto'
import type { ReadyRuntime } from '../../runtimes/ready-runtime.ts'
import { containerSpec, type SandboxPolicy } from '../sandbox-spec.ts'

/**
 * All of a sandbox that cannot be changed after it was made: image (and with it the supervisor), OCI runtime, network, mounts, options of the volume, sizes of its
 * tmpfs, ulimits, arguments of the supervisor. SHA-256 in hex of what the engine would be asked for, without what is a single sandbox's own
 * and without the limits that an engine can change. The seccomp profile and the rest of the hardening are the same for every container that this
 * process makes, and nobody but the process that made a slot hands it out.
 */
export function poolKey(runtime: ReadyRuntime, policy: SandboxPolicy): string {
  const {
    labels: _,
    limits,
    ...rest
  } = containerSpec({ name: '', labels: {}, uid: 0, volumeName: '' }, runtime, policy)
  const { memoryBytes: _memory, cpus: _cpus, pids: _pids, ...fixed } = limits
  const { volumeOptions, limits: workspaceLimits } = policy.workspace
  // Only where the engine is told of them when the volume is made.
  const volume = Object.keys(volumeOptions).length > 0 ? { volumeOptions, workspaceLimits } : {}
  const facts = { ...rest, ...volume, limits: fixed, runtime: runtime.name, digest: runtime.digest }
  return createHash('sha256').update(canonical(facts)).digest('hex')
}

/** JSON in which the order of an object's members does not matter. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => {
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return each
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
