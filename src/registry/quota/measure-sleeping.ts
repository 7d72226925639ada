import type { CallOptions, ContainerSpec, Engine, VolumeDetails } from '../../engine/engine.ts'
import { helperSpec } from '../../runtimes/helper-spec.ts'
import { initCommand } from '../../supervisor/init-command.ts'
import { connectPatiently } from '../connect.ts'
import { LABEL, uidFromLabels } from '../identity.ts'
import { SPOOL_DIR, WORKSPACE } from '../sandbox-spec.ts'
import { NO_LIMITS } from './limits.ts'
import { type Measured, measureWorkspace } from './measure.ts'

/** The supervisor, and the table of files with several names. */
const MEMORY_BYTES = 128 * 1024 ** 2
/** It ends by itself so long after its server, in milliseconds. */
const IDLE_EXIT_MS = 30_000

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
  const { id } = await engine.containers.create(specOf(volume, imageId, uid), call)
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

function specOf({ name, labels }: VolumeDetails, image: string, uid: number): ContainerSpec {
  return helperSpec({
    image,
    labels: { [LABEL.role]: 'size', [LABEL.installation]: labels[LABEL.installation] ?? '' },
    uid,
    env: { PATH: '/usr/bin:/bin' },
    command: initCommand({ spoolDir: SPOOL_DIR, workspace: WORKSPACE, idleExitMs: IDLE_EXIT_MS }),
    // Nothing of ours changes what somebody else's files are.
    volume: { name, mountPath: WORKSPACE, readOnly: true },
    limits: { memoryBytes: MEMORY_BYTES },
    network: 'none',
  })
}
