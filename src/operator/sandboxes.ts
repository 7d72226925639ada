import type { ContainerState, Engine, Labels } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { identityOf, identityOfHash, installationLabels, LABEL, type SandboxIdentity } from '../registry/identity.ts'

/** Where a sandbox stands in its life: its container runs, is paused, was made and not started, has ended, or is gone while its files are kept. */
export type SandboxState = 'ready' | 'frozen' | 'starting' | 'ended' | 'evicted'

/** One user's sandbox as the engine shows it. */
export interface FoundSandbox {
  readonly identity: SandboxIdentity
  readonly state: SandboxState
  /** undefined when there is no container. */
  readonly containerId: string | undefined
  /** Name of the runtime of its container. */
  readonly runtime: string | undefined
  readonly hasWorkspace: boolean
}

const STATES: Readonly<Record<ContainerState, SandboxState>> = {
  created: 'starting',
  running: 'ready',
  paused: 'frozen',
  exited: 'ended',
}

/** Hash of a user, as `list` shows it where the name is not known: the engine's record holds no names. */
const BY_HASH = /^id:([0-9a-f]{32})$/
const HASH = /^[0-9a-f]{32}$/

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

/** Every sandbox of an installation, also those whose files alone are left. Nothing is started. */
export async function findSandboxes(engine: Engine, installation: string): Promise<readonly FoundSandbox[]> {
  const [containers, volumes] = await Promise.all([
    engine.containers.list(installationLabels(installation)),
    engine.volumes.list({ [LABEL.role]: 'workspace', [LABEL.installation]: installation }),
  ])
  const hashes = new Set([...containers, ...volumes].flatMap(({ labels }) => userHashOf(labels)))
  return [...hashes].sort().map((hash) => {
    const container = containers.find(({ labels }) => labels[LABEL.user] === hash)
    const volume = volumes.find(({ labels }) => labels[LABEL.user] === hash)
    const isAnonymous = (container ?? volume)?.labels[LABEL.anonymous] !== undefined
    return {
      identity: identityOfHash(installation, hash, isAnonymous),
      state: container ? STATES[container.state] : 'evicted',
      containerId: container?.id,
      runtime: container?.labels[LABEL.runtime],
      hasWorkspace: volume !== undefined,
    }
  })
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

/** Of a label that is none, nothing. */
function userHashOf(labels: Labels): string[] {
  const hash = labels[LABEL.user]
  return hash !== undefined && HASH.test(hash) ? [hash] : []
}
