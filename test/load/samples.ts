import type { Engine } from '../../src/engine/engine.ts'
import { LABEL } from '../../src/registry/identity.ts'
import type { LoadServer } from './load-server.ts'

/** What a server, and the engine for it, hold at a moment. Several servers are taken together. */
export interface Sample {
  /** Seconds since the first sample. */
  readonly seconds: number
  readonly rssMiB: number
  /** What is resident and not V8's heap: buffers, code, stacks, what native parts hold. */
  readonly outsideMiB: number
  readonly heapMiB: number
  /** What sessions hold for clients whose stream breaks, as the servers count it; part of the heap. */
  readonly replayMiB: number
  readonly fds: number
  /** Timers that keep the process alive or not, as Node counts its resources. */
  readonly timers: number
  readonly sessions: number
  /** Containers of the installation that run or are frozen. */
  readonly containers: number
  /** Volumes of the installation that are somebody's. Not those that a pool has made beforehand; who gets one has a record beside it. */
  readonly volumes: number
  readonly logBytes: number
  /** Tool calls that run, or wait for their place. */
  readonly callsInFlight: number
  /** Tool calls so far, those that were refused included. */
  readonly calls: number
}

const MIB = 1024 * 1024

export interface Sampled {
  readonly servers: readonly LoadServer[]
  readonly engine: Engine
  readonly installation: string
}

/** Takes a sample. The log and the calls are those of all servers together, as the rest. */
export async function takeSample({ servers, engine, installation }: Sampled, startedMs: number): Promise<Sample> {
  const labels = { [LABEL.installation]: installation }
  const [containers, volumes, scrapes] = await Promise.all([
    engine.containers.list(labels),
    engine.volumes.list(labels),
    Promise.all(servers.map((server) => server.metrics())),
  ])
  const sum = (name: string, match: Readonly<Record<string, string>> = {}) =>
    scrapes.reduce((total, { value }) => total + (value(name, match) ?? 0), 0)
  const rssMiB = servers.reduce((total, { residentBytes }) => total + residentBytes, 0) / MIB
  return {
    seconds: (performance.now() - startedMs) / 1000,
    rssMiB,
    outsideMiB: rssMiB - sum('nodejs_heap_size_total_bytes') / MIB,
    heapMiB: sum('nodejs_heap_size_used_bytes') / MIB,
    replayMiB: sum('sandbox_mcp_replay_bytes') / MIB,
    fds: servers.reduce((total, { openFiles }) => total + openFiles, 0),
    timers: sum('nodejs_active_resources', { type: 'Timeout' }),
    sessions: sum('sandbox_mcp_sessions_open'),
    containers: containers.filter(({ state }) => state === 'running' || state === 'paused').length,
    volumes: volumes.filter((volume) => volume.labels[LABEL.role] !== 'slot').length,
    logBytes: servers.reduce((total, { logBytes }) => total + logBytes, 0),
    callsInFlight: sum('sandbox_mcp_calls_running') + sum('sandbox_mcp_calls_waiting'),
    calls: sum('sandbox_mcp_tool_calls_total'),
  }
}
