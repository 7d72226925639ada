import type { CallOptions, Engine, Labels, VolumeDetails } from '../../engine/engine.ts'
import type { SandboxPolicy } from '../sandbox-spec.ts'
import { volumeOptions } from './volume-options.ts'

/**
 * The volume of a workspace, made with the size that the operator's options give it where they do. One that is there stays as it is:
 * the engine cannot change a volume.
 */
export function makeWorkspace(
  engine: Engine,
  { name, uid }: { readonly name: string; readonly uid: number },
  labels: Labels,
  { workspace }: Pick<SandboxPolicy, 'workspace'>,
  call: CallOptions = {},
): Promise<VolumeDetails> {
  const driverOptions = volumeOptions(workspace.volumeOptions, { name, uid, limits: workspace.limits })
  return engine.volumes.ensure(name, labels, { ...call, driverOptions })
}
