import type { Engine } from '../engine/engine.ts'
import { identityOf } from '../registry/identity.ts'
import { listHoldings } from '../registry/owned.ts'
import { type AttachedUser, inspectAttached } from './attached.ts'
import { type Output, printTable } from './output.ts'
import { findSandboxes, type SandboxState } from './sandboxes.ts'
import { measureSizes, type SizeDeps, sizeWords, type WorkspaceSize } from './sizes.ts'

export interface ListDeps {
  readonly engine: Engine
  readonly installation: string
  /** Users whose names the configuration holds: the engine's record has hashes alone. */
  readonly knownUsers: Iterable<string>
  /** Users who work in a container of the operator's. */
  readonly attached: readonly AttachedUser[]
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
  /** `attach`: a container of the operator's, listed as the engine shows it; null: one that this installation made, in any other mode. */
  readonly mode: 'attach' | null
  /** `missing`: the container of the operator's is not there. */
  readonly state: SandboxState | 'missing'
  readonly runtime: string | null
  readonly containerId: string | null
  readonly hasWorkspace: boolean
  /** With `--size` alone; null where there is no workspace, or it cannot be measured. */
  readonly size?: WorkspaceSize | null
}

const SHORT_ID = 12
/** What takes most of the machine comes first. */
const STATES: readonly ListedSandbox['state'][] = [
  'starting',
  'ready',
  'frozen',
  'ended',
  'evicted',
  'archived',
  'missing',
]

/** `sandbox-mcp list`: every sandbox of the installation, also those that sleep, and the containers of mode attach. Starts nothing. */
export async function listSandboxes({
  engine,
  installation,
  knownUsers,
  attached,
  sizes,
  out,
}: ListDeps): Promise<readonly ListedSandbox[]> {
  const names = new Map([...knownUsers].map((user) => [identityOf(installation, user).userHash, user]))
  const [found, { slots }, containers] = await Promise.all([
    findSandboxes(engine, installation),
    listHoldings(engine, installation),
    Promise.all(attached.map((each) => inspectAttached(engine, each))),
  ])
  const measured = sizes && (await measureSizes(found, sizes))
  const made = found.map(({ identity, state, runtime, containerId, volumeName }, at) => ({
    id: `id:${identity.userHash}`,
    user: names.get(identity.userHash) ?? null,
    anonymous: identity.isAnonymous,
    mode: null,
    state,
    runtime: runtime ?? null,
    containerId: containerId ?? null,
    hasWorkspace: volumeName !== undefined,
    ...(measured && { size: measured[at] ?? null }),
  }))
  const listed: readonly ListedSandbox[] = [
    ...made,
    ...attached.map(({ identity }, at) => ({
      id: `id:${identity.userHash}`,
      user: names.get(identity.userHash) ?? null,
      anonymous: false,
      mode: 'attach' as const,
      state: containers[at]?.state ?? 'missing',
      runtime: null,
      containerId: containers[at]?.details?.id ?? null,
      hasWorkspace: false,
      ...(measured && { size: null }),
    })),
  ]
  if (out.json) out.write(`${JSON.stringify(listed, undefined, 2)}\n`)
  else if (listed.length === 0) out.write('There are no sandboxes yet.\n')
  else {
    const heading = ['ID', 'USER', 'MODE', 'STATE', 'RUNTIME', 'CONTAINER', 'FILES']
    const byState = [...listed].sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state))
    printTable(out, heading, byState.map(row))
  }
  if (!out.json && slots.length > 0) out.write(`${slots.length} more wait for users who have none yet.\n`)
  return listed
}

function row(listed: ListedSandbox): string[] {
  const { id, user, anonymous, mode, state, runtime, containerId, size } = listed
  return [
    id,
    user ?? (anonymous ? '(a session)' : ''),
    mode ?? '',
    state,
    runtime ?? '',
    containerId?.slice(0, SHORT_ID) ?? '',
    size ? sizeWords(size) : filesWord(listed),
  ]
}

function filesWord({ mode, state, hasWorkspace }: ListedSandbox): string {
  if (mode === 'attach') return 'the operator’s'
  if (state === 'archived') return 'in a backup'
  return hasWorkspace ? 'kept' : 'no volume'
}
