import type { ContainerSummary, Engine, Labels } from '../../engine/engine.ts'
import { LABEL, type SandboxIdentity } from '../identity.ts'

/** Labels by which the containers of single calls are found: of a user, or of an installation. */
export function callContainerLabels(installation: string, userHash?: string): Labels {
  return {
    [LABEL.role]: 'call',
    [LABEL.installation]: installation,
    ...(userHash === undefined ? {} : { [LABEL.user]: userHash }),
  }
}

/** The user's containers of single calls, of every server. */
export function listCallContainers(
  engine: Engine,
  { installation, userHash }: Pick<SandboxIdentity, 'installation' | 'userHash'>,
): Promise<readonly ContainerSummary[]> {
  return engine.containers.list(callContainerLabels(installation, userHash))
}

/** Removes them: the calls that they are of end. */
export async function removeCallContainers(
  engine: Engine,
  identity: Pick<SandboxIdentity, 'installation' | 'userHash'>,
): Promise<void> {
  const containers = await listCallContainers(engine, identity)
  await Promise.all(containers.map(({ id }) => engine.containers.remove(id)))
}
