import type { ContainerDetails, Engine } from '../engine/engine.ts'
import { formatBytes, formatDuration } from '../lib/units.ts'
import { LABEL, type SandboxIdentity } from '../registry/identity.ts'
import { connect } from '../registry/connect.ts'
import { readChoice } from '../registry/runtime-choice.ts'
import type { SupervisorInfo } from '../supervisor/protocol.ts'
import { type AttachedUser, inspectAttached } from './attached.ts'
import { type Output, printTable } from './output.ts'
import { findSandbox, type SandboxState } from './sandboxes.ts'
import { measureSize, type SizeDeps, sizeWords, type WorkspaceSize } from './sizes.ts'

export interface ShowDeps extends SizeDeps {
  /** Users who work in a container of the operator's. */
  readonly attached: readonly AttachedUser[]
  readonly out: Output
}

/** What `show --json` prints. Times are in milliseconds, sizes in bytes. */
export interface ShownSandbox {
  readonly id: string
  /** `attach`: the user works in a container of the operator's, which is shown as the engine shows it; null: in one of this installation's. */
  readonly mode: 'attach' | null
  /** `missing`: the container of the operator's is not there. */
  readonly state: SandboxState | 'missing'
  readonly runtime: string | null
  /** What the user chose with sandbox_manage. */
  readonly chosenRuntime: string | null
  readonly digest: string | null
  readonly containerId: string | null
  readonly volume: string | null
  /** Of its files; null where there are none, or they cannot be measured. */
  readonly size: WorkspaceSize | null
  readonly startedAt: string | null
  /** 0: none, which a container of the operator's may have. */
  readonly limits: { readonly memoryBytes: number; readonly cpus: number; readonly pids: number } | null
  /** What its supervisor says; null unless it runs, and for a container of the operator's, which is only looked at. */
  readonly use: SupervisorInfo | null
}

const CONNECT_MS = 5000

/** `sandbox-mcp show USER`: one sandbox in all detail. Starts and wakes no sandbox; `not_found` when the user has none. */
export async function showSandbox(identity: SandboxIdentity, deps: ShowDeps): Promise<ShownSandbox> {
  const { attached, out } = deps
  const theirs = attached.find((each) => each.identity.userHash === identity.userHash)
  const shown = theirs ? await attachedFacts(theirs, deps) : await sandboxFacts(identity, deps)
  if (out.json) out.write(`${JSON.stringify(shown, undefined, 2)}\n`)
  else printTable(out, ['FACT', 'VALUE'], rows(shown))
  return shown
}

async function sandboxFacts(identity: SandboxIdentity, deps: ShowDeps): Promise<ShownSandbox> {
  const { engine } = deps
  const found = await findSandbox(engine, identity)
  const { state, containerId, volumeName } = found
  const [details, chosen] = await Promise.all([
    containerId === undefined ? undefined : engine.containers.inspect(containerId),
    readChoice(engine, identity),
  ])
  return {
    id: `id:${identity.userHash}`,
    mode: null,
    state,
    runtime: details?.labels[LABEL.runtime] ?? null,
    chosenRuntime: chosen ?? null,
    digest: details?.labels[LABEL.digest] ?? null,
    volume: volumeName ?? null,
    size: await measureSize(found, deps),
    ...containerFacts(details),
    use: state === 'ready' && containerId !== undefined ? await askSupervisor(engine, containerId) : null,
  }
}

/** Files that the user had before stay listed by `list`. */
async function attachedFacts(attached: AttachedUser, { engine }: ShowDeps): Promise<ShownSandbox> {
  const { state, details } = await inspectAttached(engine, attached)
  return {
    id: `id:${attached.identity.userHash}`,
    mode: 'attach',
    state,
    runtime: null,
    chosenRuntime: null,
    digest: null,
    volume: null,
    size: null,
    ...containerFacts(details),
    use: null,
  }
}

function containerFacts(
  details: ContainerDetails | undefined,
): Pick<ShownSandbox, 'containerId' | 'startedAt' | 'limits'> {
  if (!details) return { containerId: null, startedAt: null, limits: null }
  const { id, startedAtMs, effective } = details
  const { memoryBytes, nanoCpus, pids } = effective
  return {
    containerId: id,
    startedAt: startedAtMs > 0 ? new Date(startedAtMs).toISOString() : null,
    limits: { memoryBytes, cpus: nanoCpus / 1e9, pids: Math.max(0, pids) },
  }
}

function limitWords({ memoryBytes, cpus, pids }: NonNullable<ShownSandbox['limits']>): string {
  const words = [
    memoryBytes > 0 && formatBytes(memoryBytes),
    cpus > 0 && `${cpus} CPU`,
    pids > 0 && `${pids} processes`,
  ].filter((word) => word !== false)
  return words.join(', ') || 'none'
}

async function askSupervisor(engine: Engine, containerId: string): Promise<SupervisorInfo> {
  const client = await connect(engine, containerId, { signal: AbortSignal.timeout(CONNECT_MS) })
  try {
    return await client.info()
  } finally {
    client.connection.close('asked')
  }
}

function rows(shown: ShownSandbox): string[][] {
  const { use, limits } = shown
  const facts: readonly (readonly [string, string | null | false])[] = [
    ['id', shown.id],
    ['mode', shown.mode],
    ['state', shown.state],
    ['runtime', shown.runtime],
    ['chosen by the user', shown.chosenRuntime],
    ['image digest', shown.digest],
    ['container', shown.containerId],
    ['workspace volume', shown.volume],
    ['files', shown.size && sizeWords(shown.size)],
    ['started', shown.startedAt],
    ['limits', limits && limitWords(limits)],
    ['up for', use && formatDuration(use.uptimeMs)],
    ['idle for', use && formatDuration(use.idleMs)],
    ['commands running', use && String(use.running)],
    ['servers connected', use && String(use.connections - 1)],
    ['memory in use', use && formatBytes(use.memoryBytes)],
    ['out-of-memory kills', use && String(use.oomKills)],
  ]
  return facts.flatMap(([name, value]) => (value === null || value === false ? [] : [[name, value]]))
}
