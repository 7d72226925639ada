import { randomBytes } from 'node:crypto'
import type { Labels } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { LABEL, type SandboxIdentity, volumeLabels } from '../registry/identity.ts'
import { makeWorkspace } from '../registry/quota/make-workspace.ts'
import { SINCE_LABEL } from '../runtimes/helper-spec.ts'
import type { Head, Totals } from './manifest.ts'
import type { BackupScene, CopyCall } from './scene.ts'
import { tallyTold } from './scene.ts'
import { totalsOf, workspaceOf } from './workspace-archive.ts'
import { WorkspaceHelper } from './workspace-helper.ts'
import { decompressed } from './zstd/stream.ts'

/** On a workspace volume that came from an archive: the volume that it took the place of, "" for none. */
export const REPLACES_LABEL = 'sandbox-mcp.replaces'

/** Labels of the volumes that a backup is tried in. */
export function scratchLabels(installation: string): Labels {
  return { [LABEL.role]: 'scratch', [LABEL.installation]: installation }
}

export interface FilledVolume {
  readonly name: string
  readonly head: Head
  readonly totals: Totals
}

/** Makes a workspace volume for the user, with the files of an archive. Nobody knows it yet: the owner record has to name it. */
export async function fillWorkspace(
  scene: BackupScene,
  identity: SandboxIdentity,
  target: { readonly uid: number; readonly replaces: string | undefined },
  archive: AsyncIterable<Uint8Array>,
  call: CopyCall,
): Promise<FilledVolume> {
  const labels = {
    ...volumeLabels(identity, target.uid),
    [SINCE_LABEL]: String(Date.now()),
    [REPLACES_LABEL]: target.replaces ?? '',
  }
  const name = `${identity.volumeName}-${randomBytes(6).toString('hex')}`
  return await fill(scene, identity, { name, labels, uid: target.uid }, archive, call)
}

/** Restores an archive into a volume of its own, and removes that again. */
export async function tryOut(
  scene: BackupScene,
  identity: SandboxIdentity,
  uid: number,
  archive: AsyncIterable<Uint8Array>,
  call: CopyCall,
): Promise<Totals> {
  const labels = { ...scratchLabels(identity.installation), [SINCE_LABEL]: String(Date.now()) }
  const name = `sandbox-mcp-scratch-${randomBytes(12).toString('hex')}`
  const { totals } = await fill(scene, identity, { name, labels, uid }, archive, call)
  await scene.engine.volumes.remove(name)
  return totals
}

/** Fills a new volume, reads it back and compares every name, mode, time, link and byte. Whatever fails, the volume is gone again. */
async function fill(
  scene: BackupScene,
  identity: SandboxIdentity,
  volume: { readonly name: string; readonly labels: Labels; readonly uid: number },
  archive: AsyncIterable<Uint8Array>,
  call: CopyCall,
): Promise<FilledVolume> {
  const { engine, limits } = scene
  const { signal, onProgress } = call
  const options = signal ? { signal } : {}
  const image = await scene.image(call)
  await makeWorkspace(engine, volume, volume.labels, { workspace: scene.workspaceOf(identity) }, options)
  try {
    const spec = { identity, ...image, uid: volume.uid, volumeName: volume.name, access: 'write' as const }
    await using helper = await WorkspaceHelper.start(scene, spec, signal)
    let head: Head | undefined
    let totals: Totals | undefined
    onProgress?.('writing the files')
    const stream = workspaceOf(decompressed(archive), {
      limits,
      onTally: tallyTold('writing the files', onProgress),
      onHead: (told) => (head = told),
      onTotals: (told) => (totals = told),
    })
    await helper.unpack(stream, signal)
    if (!head || !totals) throw new TypeError('an archive without head or totals')
    onProgress?.('comparing the files')
    const onTally = tallyTold('comparing the files', onProgress)
    const found = await totalsOf(helper.pack({ unlock: true, signal }), { limits, onTally })
    if (found.sha256 !== totals.sha256) {
      throw new SandboxError('backup_damaged', 'The files that were written are not those of the backup.', {
        details: { found, wanted: totals },
      })
    }
    return { name: volume.name, head, totals }
  } catch (error) {
    // What cannot be removed now is found by its label.
    await engine.volumes.remove(volume.name).catch((err: unknown) => {
      scene.logger.warn({ volume: volume.name, err }, 'a volume that is of no use is left to the sweep')
    })
    throw error
  }
}
