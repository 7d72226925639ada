import type { ContainerSpec, EffectiveProfile } from '../../src/engine/engine.ts'

/** Everything that has to be in force in a container of this spec, told by itself: nothing of what it holds the product to is asked of the product. */
export function wholeProfile({ uid, limits, network, volume }: ContainerSpec): EffectiveProfile {
  return {
    user: `${uid}:${uid}`,
    memoryBytes: limits.memoryBytes,
    memorySwapBytes: limits.memoryBytes,
    nanoCpus: limits.cpus * 1e9,
    pids: limits.pids,
    readOnlyRoot: true,
    privileged: false,
    capAdd: [],
    capsDropped: true,
    noNewPrivileges: true,
    seccomp: true,
    networkMode: network,
    pidMode: '',
    ipcMode: 'private',
    mounts: volume
      ? [{ type: 'volume', name: volume.name, target: volume.mountPath, readOnly: volume.readOnly ?? false }]
      : [],
  }
}
