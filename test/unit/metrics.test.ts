import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createMetrics, type WatchedGauge } from '../../src/metrics.ts'
import { parsePrometheusText } from '../helpers/prometheus-text.ts'

/** All of them: a further one is an error of types here. */
const ALL: Readonly<Record<WatchedGauge, true>> = {
  sandboxes: true,
  poolSlots: true,
  callsRunning: true,
  callsWaiting: true,
  engineDisk: true,
  sessions: true,
  replayEvents: true,
  replayBytes: true,
}
const GAUGES = Object.keys(ALL) as WatchedGauge[]

async function scrape(metrics: { text(): Promise<string> }) {
  return parsePrometheusText(await metrics.text())
}

describe('the metrics', () => {
  test('are the text format 0.0.4, with those of the process and the version', async () => {
    const metrics = createMetrics('1.2.3')
    expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
    const { value, types } = await scrape(metrics)
    expect(value('sandbox_mcp_info', { version: '1.2.3' })).toBe(1)
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e6)
    expect(types.get('nodejs_eventloop_lag_seconds')).toBe('gauge')
  })

  test('count what they are told, with times in seconds', async () => {
    const metrics = createMetrics('1')
    metrics.toolCall('shell_exec', 'ok', 1.7)
    metrics.toolCall('shell_exec', 'ok', 4)
    metrics.toolCall('shell_exec', 'sandbox_limit', 90_000)
    metrics.callWaited(20)
    metrics.callRefused('queue_full')
    metrics.sandboxStart('created', 300)
    metrics.sandboxEvicted('idle')
    metrics.engineCall('containers.create', 'ok', 40)
    metrics.engineCall('containers.create', 'engine_failed', 40)
    metrics.imageBuild('python-minimal', 'ok', 61_000)
    metrics.httpRequest('POST', '/mcp', 200, 3)
    metrics.bytesTransferred('in', 1000)
    metrics.bytesTransferred('in', 24)
    const { value } = await scrape(metrics)
    expect(value('sandbox_mcp_tool_calls_total', { tool: 'shell_exec', outcome: 'ok' })).toBe(2)
    expect(value('sandbox_mcp_tool_calls_total', { outcome: 'sandbox_limit' })).toBe(1)
    expect(value('sandbox_mcp_tool_call_duration_seconds_sum', { tool: 'shell_exec' })).toBeCloseTo(90.0057)
    expect(value('sandbox_mcp_call_wait_seconds_count')).toBe(1)
    expect(value('sandbox_mcp_calls_refused_total', { reason: 'queue_full' })).toBe(1)
    expect(value('sandbox_mcp_sandbox_start_duration_seconds_count', { outcome: 'created' })).toBe(1)
    expect(value('sandbox_mcp_sandbox_evictions_total', { reason: 'idle' })).toBe(1)
    expect(value('sandbox_mcp_engine_call_duration_seconds_count', { operation: 'containers.create' })).toBe(2)
    expect(value('sandbox_mcp_engine_errors_total', { code: 'engine_failed' })).toBe(1)
    expect(value('sandbox_mcp_engine_errors_total')).toBe(1)
    expect(value('sandbox_mcp_image_build_duration_seconds_sum', { runtime: 'python-minimal' })).toBe(61)
    expect(value('sandbox_mcp_http_requests_total', { method: 'POST', route: '/mcp', status: '200' })).toBe(1)
    expect(value('sandbox_mcp_transferred_bytes_total', { direction: 'in' })).toBe(1024)
  })

  test('tell a warm call of 1.7 ms from one of 4 ms, and minutes from each other', async () => {
    const metrics = createMetrics('1')
    for (const ms of [1.2, 1.7, 2.5, 4, 45_000, 100_000, 400_000]) metrics.toolCall('shell_exec', 'ok', ms)
    const { samples } = await scrape(metrics)
    const buckets = samples.filter(({ name }) => name === 'sandbox_mcp_tool_call_duration_seconds_bucket')
    const atOrBelow = (le: string) => buckets.find(({ labels }) => labels['le'] === le)?.value
    expect(['0.001', '0.0015', '0.002', '0.003', '0.005', '30', '60', '180', '600'].map(atOrBelow)).toEqual([
      0, 1, 2, 3, 4, 4, 5, 6, 7,
    ])
  })

  test('ask for what others hold at each scrape, and forget a label that is no longer there', async () => {
    const metrics = createMetrics('1')
    let states: Record<string, number> = { idle: 2, starting: 1 }
    let waiting = 3
    metrics.watch('sandboxes', () => states)
    metrics.watch('callsWaiting', () => waiting)
    const before = await scrape(metrics)
    expect(before.value('sandbox_mcp_sandboxes', { state: 'idle' })).toBe(2)
    expect(before.value('sandbox_mcp_calls_waiting')).toBe(3)
    states = { idle: 1 }
    waiting = 0
    const after = await scrape(metrics)
    expect(after.value('sandbox_mcp_sandboxes')).toBe(1)
    expect(after.value('sandbox_mcp_calls_waiting')).toBe(0)
  })

  test('are each in the README, and what is there exists', async () => {
    const metrics = createMetrics('1')
    for (const gauge of GAUGES) metrics.watch(gauge, () => 0)
    const ours = [...(await metrics.text()).matchAll(/^# TYPE (sandbox_mcp_\w+) /gm)].map(([, name]) => name)
    const readme = readFileSync(resolve(import.meta.dirname, '../../README.md'), 'utf8')
    const named = [...readme.matchAll(/`(sandbox_mcp_\w+)`/g)].map(([, name]) => name)
    expect(new Set(named)).toEqual(new Set(ours))
  })

  test('of two servers in one process are apart', async () => {
    const [one, other] = [createMetrics('1'), createMetrics('2')]
    one.sandboxEvicted('idle')
    expect((await scrape(other)).value('sandbox_mcp_sandbox_evictions_total')).toBeUndefined()
  })
})

test.each([
  ['a 1', 'no type'],
  ['# TYPE a counter\na{b="c} 1', 'bad labels'],
  ['# TYPE a counter\na{b=c} 1', 'bad labels'],
  ['# TYPE a counter\na x', 'not a sample'],
  ['# TYPE a counter\na 1\na 2', 'twice'],
  ['# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1', 'out of order'],
  ['# TYPE a histogram\na_bucket{le="1"} 1\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2', 'differs'],
])('the reader of these tests refuses what is not of the format: %j', (text, message) => {
  expect(() => parsePrometheusText(`${text}\n`)).toThrow(message)
})
