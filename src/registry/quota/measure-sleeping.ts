import { randomBytes } from 'node:crypto'
import type { CallOptions, ContainerSpec, Engine, VolumeDetails } from '../../engine/engine.ts'
import { SINCE_LABEL } from '../../runtimes/helper-container.ts'
import { BRIDGE_UID, SUPERVISOR_PATH } from '../../supervisor/protocol.ts'
import { connectPatiently } from '../connect.ts'
import { LABEL, uidFromLabels } from '../identity.ts'
import { SPOOL_DIR, WORKSPACE } from '../sandbox-spec.ts'
import { NO_LIMITS } from './limits.ts'
import { type Measured, measureWorkspace } from './measure.ts'

const MIB = 1024 ** 2
/** The supervisor, and the table of files with several names. */
const MEMORY_BYTES = 128 * MIB
/** It ends by itself so long after its server, in seconds. */
const IDLE_EXIT_S = 30

/**
 * Measures the workspace of a sandbox that sleeps: in a container of its own that has the volume read-only, no network, the uid of the files and the
 * whole profile, and in which nothing runs but the supervisor of `imageId`. It is gone when this resolves. undefined for a volume whose owner's uid
 * its labels do not tell.
 */
export async function measureSleeping(
  engine: Engine,
  volume: VolumeDetails,
  imageId: string,
  call: CallOptions = {},
): Promise<Measured | undefined> {
  const uid = uidFromLabels(volume.labels)
  if (uid === undefined) return undefined
  const { id } = await engine.containers.create(helperSpec(volume, imageId, uid), call)
  try {
    await engine.containers.start(id, call)
    const client = await connectPatiently(engine, id, call.signal)
    try {
      return await measureWorkspace(client, NO_LIMITS)
    } finally {
      client.connection.close('measured')
    }
  } finally {
    await engine.containers.remove(id)
  }
}

/** True when there is not one file in a volume that no running container has; false where nobody can tell. */
export async function isEmptyVolume(engine: Engine, volume: VolumeDetails, imageId: string): Promise<boolean> {
  const usage = await measureSleeping(engine, volume, imageId)
  // The directory itself is one.
  return usage?.entries === 1 && !usage.unseen
}

function helperSpec({ name, labels }: VolumeDetails, image: string, uid: number): ContainerSpec {
  return {
    name: `sandbox-mcp-helper-${randomBytes(12).toString('hex')}`,
    image,
    labels: {
      [LABEL.role]: 'size',
      [LABEL.installation]: labels[LABEL.installation] ?? '',
      [SINCE_LABEL]: String(Date.now()),
    },
    uid,
    bridgeUid: BRIDGE_UID,
    env: { PATH: '/usr/bin:/bin' },
    command: [
      SUPERVISOR_PATH,
      'init',
      '--bridge-uid',
      String(BRIDGE_UID),
      '--spool',
      SPOOL_DIR,
      '--workspace',
      WORKSPACE,
      '--idle-exit',
      String(IDLE_EXIT_S),
    ],
    workDir: '/',
    // Nothing of ours changes what somebody else's files are.
    volume: { name, mountPath: WORKSPACE, readOnly: true },
    limits: {
      memoryBytes: MEMORY_BYTES,
      cpus: 1,
      pids: 32,
      tmpBytes: MIB,
      spoolBytes: MIB,
      shmBytes: MIB,
      fileBytes: MIB,
      openFiles: 256,
    },
    network: 'none',
  }
}
