import type { ContainerLimits, ContainerSpec } from '../../src/engine/engine.ts'
import { BASE_IMAGE } from './images.ts'

const MIB = 1024 * 1024

/** The spec of a container with a volume, as sandboxes have. */
export type VolumeSpec = ContainerSpec & Required<Pick<ContainerSpec, 'volume'>>

/** Small ones, so that many containers fit. */
export const TEST_LIMITS: ContainerLimits = {
  memoryBytes: 256 * MIB,
  cpus: 1,
  pids: 64,
  tmpBytes: 16 * MIB,
  spoolBytes: 16 * MIB,
  shmBytes: 16 * MIB,
  fileBytes: 64 * MIB,
  openFiles: 256,
}

/** A small container that does nothing, with a volume named after it. */
export function containerSpec(overrides: Partial<VolumeSpec> & Pick<ContainerSpec, 'name'>): VolumeSpec {
  return {
    image: BASE_IMAGE,
    labels: {},
    uid: 20_001,
    bridgeUid: 20_000,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/workspace' },
    command: ['sleep', 'infinity'],
    workDir: '/workspace',
    volume: { name: overrides.name, mountPath: '/workspace' },
    limits: TEST_LIMITS,
    network: 'none',
    ...overrides,
  }
}
