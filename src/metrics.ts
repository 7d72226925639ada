import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Telemetry } from './lib/telemetry.ts'

/** The telemetry of this process as Prometheus reads it. */
export interface Metrics extends Telemetry {
  /** Of {@link text}: the text exposition format 0.0.4. */
  readonly contentType: string
  /** All metrics as they are now. */
  text(): Promise<string>
  /** What is asked for its present value whenever the metrics are read: costs nothing in between. */
  watch(gauge: WatchedGauge, read: () => number | Readonly<Record<string, number>>): void
}

/** Gauges whose value somebody else holds. One with a label is read as an object: value by label. */
const GAUGES = {
  sandboxes: { name: 'sandboxes', help: 'Sandboxes that this server holds, by state.', label: 'state' },
  poolSlots: { name: 'pool_slots', help: 'Sandboxes that are kept for new users, by state.', label: 'state' },
  callsRunning: { name: 'calls_running', help: 'Calls that run now.', label: undefined },
  callsWaiting: { name: 'calls_waiting', help: 'Calls that wait for their place now.', label: undefined },
  engineDisk: { name: 'engine_disk_bytes', help: 'Size of the engine’s disk and what is free of it.', label: 'of' },
  sessions: { name: 'sessions_open', help: 'MCP sessions that are open, by transport.', label: 'transport' },
  replayEvents: { name: 'replay_events', help: 'Messages held for clients whose stream breaks.', label: undefined },
  replayBytes: { name: 'replay_bytes', help: 'Memory that these take, about.', label: undefined },
} as const

export type WatchedGauge = keyof typeof GAUGES

/** Upper bounds in seconds: a warm call takes 1–5 ms, one that waits for a command or a build minutes. */
const CALL_BUCKETS = [
  0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600,
]
/** What an engine or a new container takes. */
const ENGINE_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const BUILD_BUCKETS = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600]

/**
 * Metrics of one server, with those of its process (`process_*`, `nodejs_*`). Names follow Prometheus' conventions: `sandbox_mcp_`, base
 * units (seconds, bytes), `_total` for counters.
 */
export function createMetrics(version: string): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name: `sandbox_mcp_${name}`, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[], buckets: number[]) =>
    new Histogram({ name: `sandbox_mcp_${name}`, help, labelNames, buckets, registers })

  new Gauge({ name: 'sandbox_mcp_info', help: 'The server; always 1.', labelNames: ['version'], registers }).set(
    { version },
    1,
  )
  const toolCalls = counter('tool_calls_total', 'Tool calls that ended, by outcome: ok or an error code.', [
    'tool',
    'outcome',
  ])
  const toolSeconds = histogram(
    'tool_call_duration_seconds',
    'Time of a tool call, all waiting included.',
    ['tool'],
    CALL_BUCKETS,
  )
  const waitSeconds = histogram(
    'call_wait_seconds',
    'Time that calls beyond the caps waited for their place; others are not in it.',
    [],
    CALL_BUCKETS,
  )
  const refusals = counter('calls_refused_total', 'Calls that got no place, by reason.', ['reason'])
  const startSeconds = histogram(
    'sandbox_start_duration_seconds',
    'Time to bring a sandbox to life, by outcome: created, thawed, resumed, found (adopted) or an error code.',
    ['outcome'],
    ENGINE_BUCKETS,
  )
  const evictions = counter('sandbox_evictions_total', 'Sandboxes put to sleep, by reason.', ['reason'])
  const freezes = counter('sandbox_freezes_total', 'Idle sandboxes that were frozen.', [])
  const archiveSeconds = histogram(
    'sandbox_archive_duration_seconds',
    'Time to archive the files of a sleeping sandbox, by outcome: ok, undone or an error code.',
    ['outcome'],
    BUILD_BUCKETS,
  )
  const roomSeconds = histogram(
    'room_wait_seconds',
    'Time that users waited for a place for their sandbox; others are not in it.',
    [],
    CALL_BUCKETS,
  )
  const measureSeconds = histogram(
    'workspace_measure_duration_seconds',
    'Time to walk through a workspace, by whether it was within its limit.',
    ['outcome'],
    ENGINE_BUCKETS,
  )
  const roomRefusals = counter('room_refused_total', 'Writes refused for lack of room, by whose it is.', ['reason'])
  const overruns = counter('overrun_commands_ended_total', 'Commands ended because they wrote beyond the limit.', [])
  const disturbances = counter(
    'sandbox_disturbances_total',
    'Sandboxes held by this server that ended or were frozen by something else, by cause.',
    ['cause'],
  )
  const drifts = counter('sandbox_drift_total', 'Sandboxes that differ from the settings, and what was done.', [
    'drift',
    'remedy',
  ])
  const recoverySeconds = histogram(
    'recovery_step_duration_seconds',
    'Time of each step to bring back a sandbox that does not answer, by outcome.',
    ['step', 'outcome'],
    ENGINE_BUCKETS,
  )
  const reconciled = counter(
    'reconciled_total',
    'Containers of the installation that no server needed and that were removed.',
    ['found'],
  )
  const poolClaims = counter(
    'pool_claims_total',
    'New users who asked the pool for a sandbox: hit, or why there was none.',
    ['outcome'],
  )
  const engineSeconds = histogram(
    'engine_call_duration_seconds',
    'Time of a call of the container engine.',
    ['operation'],
    ENGINE_BUCKETS,
  )
  const engineErrors = counter('engine_errors_total', 'Calls of the container engine that failed, by error code.', [
    'operation',
    'code',
  ])
  const buildSeconds = histogram(
    'image_build_duration_seconds',
    'Time of the build of an image, by outcome: ok or an error code.',
    ['runtime', 'outcome'],
    BUILD_BUCKETS,
  )
  const requests = counter('http_requests_total', 'HTTP responses that ended, by the pattern of their route.', [
    'method',
    'route',
    'status',
  ])
  const requestSeconds = histogram(
    'http_request_duration_seconds',
    'Time of an HTTP request until its response ended; that of an event stream is its life.',
    ['method', 'route'],
    CALL_BUCKETS,
  )
  const transferred = counter('transferred_bytes_total', 'Bytes of files that were moved over HTTP.', ['direction'])

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    watch(gauge, read) {
      const { name, help, label } = GAUGES[gauge]
      const watched = new Gauge({
        name: `sandbox_mcp_${name}`,
        help,
        labelNames: label === undefined ? [] : [label],
        registers: [],
        collect() {
          const value = read()
          if (typeof value === 'number') return this.set(value)
          if (label === undefined) throw new TypeError(`${name} has no label`)
          this.reset()
          for (const [each, count] of Object.entries(value)) this.set({ [label]: each }, count)
        },
      })
      registry.registerMetric(watched)
    },

    toolCall(tool, outcome, ms) {
      toolCalls.inc({ tool, outcome })
      toolSeconds.observe({ tool }, ms / 1000)
    },
    callWaited: (ms) => waitSeconds.observe(ms / 1000),
    callRefused: (reason) => refusals.inc({ reason }),
    sandboxStart: (outcome, ms) => startSeconds.observe({ outcome }, ms / 1000),
    sandboxEvicted: (reason) => evictions.inc({ reason }),
    sandboxFrozen: () => freezes.inc(),
    sandboxArchived: (outcome, ms) => archiveSeconds.observe({ outcome }, ms / 1000),
    roomWaited: (ms) => roomSeconds.observe(ms / 1000),
    workspaceMeasured: (outcome, ms) => measureSeconds.observe({ outcome }, ms / 1000),
    roomRefused: (reason) => roomRefusals.inc({ reason }),
    overrunEnded: (commands) => overruns.inc(commands),
    sandboxDisturbed: (cause) => disturbances.inc({ cause }),
    sandboxDrift: (drift, remedy) => drifts.inc({ drift, remedy }),
    recoveryStep: (step, outcome, ms) => recoverySeconds.observe({ step, outcome }, ms / 1000),
    reconciled: (found) => reconciled.inc({ found }),
    poolClaim: (outcome) => poolClaims.inc({ outcome }),
    engineCall(operation, outcome, ms) {
      engineSeconds.observe({ operation }, ms / 1000)
      if (outcome !== 'ok') engineErrors.inc({ operation, code: outcome })
    },
    imageBuild: (runtime, outcome, ms) => buildSeconds.observe({ runtime, outcome }, ms / 1000),
    httpRequest(method, route, status, ms) {
      requests.inc({ method, route, status })
      requestSeconds.observe({ method, route }, ms / 1000)
    },
    bytesTransferred: (direction, bytes) => transferred.inc({ direction }, bytes),
  }
}
