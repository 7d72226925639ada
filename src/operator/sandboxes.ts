import type { ContainerState, Engine } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { identityOf, identityOfHash, LABEL, type SandboxIdentity } from '../registry/identity.ts'
import { listOwned, type Owned } from '../registry/owned.ts'

/**
 * Where a sandbox stands in its life: its container runs, is paused, was made and not started, has ended, or is gone while its files are kept,
 * in their volume or in a backup.
 */
export type SandboxState = 'ready' | 'frozen' | 'starting' | 'ended' | 'evicted' | 'archived'

/** One user's sandbox as the engine shows it. */
export interface FoundSandbox {
  readonly identity: SandboxIdentity
  readonly state: SandboxState
  /** undefined when there is no container. */
  readonly containerId: string | undefined
  /** Name of the runtime of its container. */
  readonly runtime: string | undefined
  /** Name of the volume with its files; undefined when there is none. */
  readonly volumeName: string | undefined
}

const STATES: Readonly<Record<ContainerState, SandboxState>> = {
  created: 'starting',
  running: 'ready',
  paused: 'frozen',
  exited: 'ended',
}

/** Hash of a user, as `list` shows it where the name is not known: the engine's record holds no names. */
const BY_HASH = /^id:([0-9a-f]{32})$/

/** Whom an operator's USER means: a user's name, or `id:` and the hash that `list` shows. `invalid_argument` for neither. */
export function identityFrom(installation: string, user: string | undefined): SandboxIdentity {
  if (user === undefined || user === '') {
    throw new SandboxError('invalid_argument', 'Whose sandbox?', { hint: 'Give a user, or an id of sandbox-mcp list.' })
  }
  const hash = BY_HASH.exec(user)?.[1]
  if (hash !== undefined) return identityOfHash(installation, hash, false)
  if (user.startsWith('id:')) {
    throw new SandboxError('invalid_argument', 'An id has 32 hexadecimal digits after "id:".', {
      hint: 'Copy it from sandbox-mcp list.',
    })
  }
  return identityOf(installation, user)
}

/** Where a container stands in that life. */
export function stateOf({ state }: { readonly state: ContainerState }): SandboxState {
  return STATES[state]
}

/** Every sandbox of an installation, also those whose files alone are left. Nothing is started. */
export async function findSandboxes(engine: Engine, installation: string): Promise<readonly FoundSandbox[]> {
  return (await listOwned(engine, installation)).map(foundSandbox)
}

function foundSandbox({ owner, container, workspace }: Owned): FoundSandbox {
  const withoutContainer = owner.archive === undefined ? 'evicted' : 'archived'
  return {
    identity: owner.identity,
    state: container ? stateOf(container) : withoutContainer,
    containerId: container?.id,
    runtime: container?.labels[LABEL.runtime],
    volumeName: workspace?.name,
  }
}

/** One sandbox; `not_found` when the user has none. */
export async function findSandbox(engine: Engine, identity: SandboxIdentity): Promise<FoundSandbox> {
  const all = await findSandboxes(engine, identity.installation)
  const found = all.find((each) => each.identity.userHash === identity.userHash)
  if (found) return found
  throw new SandboxError('not_found', 'This user has no sandbox.', {
    hint: 'sandbox-mcp list shows all that there are.',
  })
}
