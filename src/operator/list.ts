import type { Engine } from '../engine/engine.ts'
import { identityOf } from '../registry/identity.ts'
import { type Output, printTable } from './output.ts'
import { findSandboxes, type SandboxState } from './sandboxes.ts'

export interface ListDeps {
  readonly engine: Engine
  readonly installation: string
  /** Users whose names the configuration holds: the engine's record has hashes alone. */
  readonly knownUsers: Iterable<string>
  readonly out: Output
}

/** What `list --json` prints for each sandbox. */
export interface ListedSandbox {
  /** `id:` and the hash of the user: other commands take it in place of the name. */
  readonly id: string
  /** null where the configuration does not name the user. */
  readonly user: string | null
  /** It belongs to a session without a user, and ends with it. */
  readonly anonymous: boolean
  readonly state: SandboxState
  readonly runtime: string | null
  readonly containerId: string | null
  readonly hasWorkspace: boolean
}

const SHORT_ID = 12

/** `sandbox-mcp list`: every sandbox of the installation, also those that sleep. Starts nothing. */
export async function listSandboxes({
  engine,
  installation,
  knownUsers,
  out,
}: ListDeps): Promise<readonly ListedSandbox[]> {
  const names = new Map([...knownUsers].map((user) => [identityOf(installation, user).userHash, user]))
  const found = await findSandboxes(engine, installation)
  const listed = found.map(({ identity, state, runtime, containerId, volumeName }) => ({
    id: `id:${identity.userHash}`,
    user: names.get(identity.userHash) ?? null,
    anonymous: identity.isAnonymous,
    state,
    runtime: runtime ?? null,
    containerId: containerId ?? null,
    hasWorkspace: volumeName !== undefined,
  }))
  if (out.json) out.write(`${JSON.stringify(listed, undefined, 2)}\n`)
  else if (listed.length === 0) out.write('There are no sandboxes yet.\n')
  else printTable(out, ['ID', 'USER', 'STATE', 'RUNTIME', 'CONTAINER', 'FILES'], listed.map(row))
  return listed
}

function row({ id, user, anonymous, state, runtime, containerId, hasWorkspace }: ListedSandbox): string[] {
  return [
    id,
    user ?? (anonymous ? '(a session)' : ''),
    state,
    runtime ?? '',
    containerId?.slice(0, SHORT_ID) ?? '',
    hasWorkspace ? 'kept' : 'none',
  ]
}
