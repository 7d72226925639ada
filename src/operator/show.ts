import type { ContainerDetails, Engine } from '../engine/engine.ts'
import { formatBytes, formatDuration } from '../lib/units.ts'
import { LABEL, type SandboxIdentity } from '../registry/identity.ts'
import { connect } from '../registry/connect.ts'
import { readChoice } from '../registry/runtime-choice.ts'
import type { SupervisorInfo } from '../supervisor/protocol.ts'
import { type Output, printTable } from './output.ts'
import { findSandbox, type SandboxState } from './sandboxes.ts'
import { measureSize, type SizeDeps, sizeWords, type WorkspaceSize } from './sizes.ts'

export interface ShowDeps extends SizeDeps {
  readonly out: Output
}

/** What `show --json` prints. Times are in milliseconds, sizes in bytes. */
export interface ShownSandbox {
  readonly id: string
  readonly state: SandboxState
  readonly runtime: string | null
  /** What the user chose with sandbox_manage. */
  readonly chosenRuntime: string | null
  readonly digest: string | null
  readonly containerId: string | null
  readonly volume: string | null
  /** Of its files; null where there are none, or they cannot be measured. */
  readonly size: WorkspaceSize | null
  readonly startedAt: string | null
  readonly limits: { readonly memoryBytes: number; readonly cpus: number; readonly pids: number } | null
  /** What its supervisor says; null unless it runs. */
  readonly use: SupervisorInfo | null
}

const CONNECT_MS = 5000

/** `sandbox-mcp show USER`: one sandbox in all detail. Starts and wakes no sandbox; `not_found` when the user has none. */
export async function showSandbox(identity: SandboxIdentity, deps: ShowDeps): Promise<ShownSandbox> {
  const { engine, out } = deps
  const found = await findSandbox(engine, identity)
  const { state, containerId, volumeName } = found
  const [details, chosen] = await Promise.all([
    containerId === undefined ? undefined : engine.containers.inspect(containerId),
    readChoice(engine, identity),
  ])
  const shown: ShownSandbox = {
    id: `id:${identity.userHash}`,
    state,
    runtime: details?.labels[LABEL.runtime] ?? null,
    chosenRuntime: chosen ?? null,
    digest: details?.labels[LABEL.digest] ?? null,
    containerId: details?.id ?? null,
    volume: volumeName ?? null,
    size: await measureSize(found, deps),
    startedAt: details && details.startedAtMs > 0 ? new Date(details.startedAtMs).toISOString() : null,
    limits: details ? limitsOf(details) : null,
    use: state === 'ready' && containerId !== undefined ? await askSupervisor(engine, containerId) : null,
  }
  if (out.json) out.write(`${JSON.stringify(shown, undefined, 2)}\n`)
  else printTable(out, ['FACT', 'VALUE'], rows(shown))
  return shown
}

function limitsOf({ effective }: ContainerDetails): ShownSandbox['limits'] {
  return { memoryBytes: effective.memoryBytes, cpus: effective.nanoCpus / 1e9, pids: effective.pids }
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
    ['state', shown.state],
    ['runtime', shown.runtime],
    ['chosen by the user', shown.chosenRuntime],
    ['image digest', shown.digest],
    ['container', shown.containerId],
    ['workspace volume', shown.volume],
    ['files', shown.size && sizeWords(shown.size)],
    ['started', shown.startedAt],
    ['limits', limits && `${formatBytes(limits.memoryBytes)}, ${limits.cpus} CPU, ${limits.pids} processes`],
    ['up for', use && formatDuration(use.uptimeMs)],
    ['idle for', use && formatDuration(use.idleMs)],
    ['commands running', use && String(use.running)],
    ['servers connected', use && String(use.connections - 1)],
    ['memory in use', use && formatBytes(use.memoryBytes)],
    ['out-of-memory kills', use && String(use.oomKills)],
  ]
  return facts.flatMap(([name, value]) => (value === null || value === false ? [] : [[name, value]]))
}
