import { randomBytes } from 'node:crypto'
import type { ContainerLimits, ContainerSpec } from '../engine/engine.ts'
import { BRIDGE_UID } from '../supervisor/protocol.ts'

/** When a helper container was made, in Unix milliseconds: one that was never started is told from one that is about to be. */
export const SINCE_LABEL = 'sandbox-mcp.since'

/** On a helper: the container that stands still for its sake. */
export const FROZEN_LABEL = 'sandbox-mcp.frozen'

const MIB = 1024 ** 2

/** What one kind of helper has of its own; what is left out has the bounds of a program that needs next to nothing. */
export interface HelperDuty extends Pick<
  ContainerSpec,
  'image' | 'labels' | 'uid' | 'env' | 'command' | 'volume' | 'network'
> {
  readonly limits: Partial<ContainerLimits> & Pick<ContainerLimits, 'memoryBytes'>
  readonly ociRuntime?: string | undefined
}

/**
 * A short-lived container of the server's own, beside the sandboxes: with a name of its own, the time at which it was made, and all of the hardening
 * profile. Nothing in it but what its duty names.
 */
export function helperSpec({ labels, limits, ociRuntime, ...duty }: HelperDuty): ContainerSpec {
  return {
    ...duty,
    name: `sandbox-mcp-helper-${randomBytes(12).toString('hex')}`,
    labels: { ...labels, [SINCE_LABEL]: String(Date.now()) },
    bridgeUid: BRIDGE_UID,
    workDir: '/',
    limits: {
      cpus: 1,
      pids: 32,
      tmpBytes: MIB,
      spoolBytes: MIB,
      shmBytes: MIB,
      fileBytes: MIB,
      openFiles: 256,
      ...limits,
    },
    ...(ociRuntime === undefined ? {} : { ociRuntime }),
  }
}
