import type { Engine } from '../engine/engine.ts'
import { identityOf } from '../registry/identity.ts'
import { listHoldings } from '../registry/owned.ts'
import { type Output, printTable } from './output.ts'
import { findSandboxes, type SandboxState } from './sandboxes.ts'
import { measureSizes, type SizeDeps, sizeWords, type WorkspaceSize } from './sizes.ts'

export interface ListDeps {
  readonly engine: Engine
  readonly installation: string
  /** Users whose names the configuration holds: the engine's record has hashes alone. */
  readonly knownUsers: Iterable<string>
  /** Measures the workspaces; undefined: their sizes are left out, which is quick. */
  readonly sizes?: SizeDeps | undefined
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
  /** With `--size` alone; null where there is no workspace, or it cannot be measured. */
  readonly size?: WorkspaceSize | null
}

const SHORT_ID = 12
/** What takes most of the machine comes first. */
const STATES: readonly SandboxState[] = ['starting', 'ready', 'frozen', 'ended', 'evicted', 'archived']

/** `sandbox-mcp list`: every sandbox of the installation, also those that sleep. Starts nothing. */
export async function listSandboxes({
  engine,
  installation,
  knownUsers,
  sizes,
  out,
}: ListDeps): Promise<readonly ListedSandbox[]> {
  const names = new Map([...knownUsers].map((user) => [identityOf(installation, user).userHash, user]))
  const [found, { slots }] = await Promise.all([
    findSandboxes(engine, installation),
    listHoldings(engine, installation),
  ])
  const measured = sizes && (await measureSizes(found, sizes))
  const listed = found.map(({ identity, state, runtime, containerId, volumeName }, at) => ({
    id: `id:${identity.userHash}`,
    user: names.get(identity.userHash) ?? null,
    anonymous: identity.isAnonymous,
    state,
    runtime: runtime ?? null,
    containerId: containerId ?? null,
    hasWorkspace: volumeName !== undefined,
    ...(measured && { size: measured[at] ?? null }),
  }))
  if (out.json) out.write(`${JSON.stringify(listed, undefined, 2)}\n`)
  else if (listed.length === 0) out.write('There are no sandboxes yet.\n')
  else {
    const heading = ['ID', 'USER', 'STATE', 'RUNTIME', 'CONTAINER', 'FILES']
    const byState = [...listed].sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state))
    printTable(out, heading, byState.map(row))
  }
  if (!out.json && slots.length > 0) out.write(`${slots.length} more wait for users who have none yet.\n`)
  return listed
}

function row({ id, user, anonymous, state, runtime, containerId, hasWorkspace, size }: ListedSandbox): string[] {
  return [
    id,
    user ?? (anonymous ? '(a session)' : ''),
    state,
    runtime ?? '',
    containerId?.slice(0, SHORT_ID) ?? '',
    size ? sizeWords(size) : filesWord(state, hasWorkspace),
  ]
}

function filesWord(state: SandboxState, hasWorkspace: boolean): string {
  if (state === 'archived') return 'in a backup'
  return hasWorkspace ? 'kept' : 'none'
}
