import { expect, test, vi } from 'vitest'
import { failureOf } from '../helpers/failure.ts'
import { connectHttp, HTTP_LEGS } from '../helpers/http-clients.ts'
import { BEHIND_PROXY, startHttpServer } from '../helpers/start-http-server.ts'
import { useInstallation } from '../helpers/installation.ts'
import { parsePrometheusText, type Scrape } from '../helpers/prometheus-text.ts'

const installation = useInstallation()

const OPERATOR = 'operator'
const as = (user: string) => ({ 'X-Forwarded-User': user })

function serve(settings: Readonly<Record<string, string>>) {
  return startHttpServer({
    installation: installation.name,
    settings: {
      ...BEHIND_PROXY,
      'proxy-admins': OPERATOR,
      memory: '64MiB',
      ...settings,
    },
  })
}

async function scrape(address: URL): Promise<Scrape & { readonly text: string }> {
  const answer = await fetch(new URL('/metrics', address), { headers: as(OPERATOR) })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const text = await answer.text()
  return { ...parsePrometheusText(text), text }
}

test('after calls over every leg the metrics have their numbers, and no user, path or command', async () => {
  await using server = await serve({ 'max-running': '2' })
  const { address } = server
  const users = HTTP_LEGS.map(() => installation.newUser())
  for (const [at, leg] of HTTP_LEGS.entries()) {
    const client = await connectHttp(leg, address, as(users[at] ?? ''))
    await client.callTool('shell_exec', { command: 'echo secret-command; exit 3' })
    await client.callTool('write_file', { path: 'secret-file', content: 'x' })
    await client.callTool('read_file', { path: 'secret-missing' })
    await client.callTool('shell_exec', { cmd: 'true' })
  }
  const { value, text } = await scrape(address)
  const calls = (tool: string, outcome: string) => value('sandbox_mcp_tool_calls_total', { tool, outcome })
  expect(calls('shell_exec', 'ok')).toBe(3)
  expect(calls('shell_exec', 'invalid_argument')).toBe(3)
  expect(calls('write_file', 'ok')).toBe(3)
  expect(calls('read_file', 'not_found')).toBe(3)
  expect(value('sandbox_mcp_tool_calls_total')).toBe(12)
  expect(value('sandbox_mcp_tool_call_duration_seconds_count')).toBe(12)
  expect(value('sandbox_mcp_tool_call_duration_seconds_sum', { tool: 'shell_exec' })).toBeGreaterThan(0.1)
  // The third user took the place of the one that was idle longest.
  expect(value('sandbox_mcp_sandbox_start_duration_seconds_count', { outcome: 'created' })).toBe(3)
  expect(value('sandbox_mcp_sandbox_evictions_total', { reason: 'room' })).toBe(1)
  expect(value('sandbox_mcp_sandboxes', { state: 'idle' })).toBe(2)
  expect(value('sandbox_mcp_sandboxes', { state: 'in_use' })).toBe(0)
  expect(value('sandbox_mcp_engine_call_duration_seconds_count', { operation: 'containers.create' })).toBe(3)
  expect(value('sandbox_mcp_engine_call_duration_seconds_count', { operation: 'containers.remove' })).toBe(1)
  expect(value('sandbox_mcp_engine_errors_total') ?? 0).toBe(0)
  expect(value('sandbox_mcp_sessions_open', { transport: 'http' })).toBe(1)
  expect(value('sandbox_mcp_sessions_open', { transport: 'sse' })).toBe(1)
  expect(value('sandbox_mcp_calls_running')).toBe(0)
  expect(value('sandbox_mcp_http_requests_total', { method: 'POST', route: '/mcp', status: '200' })).toBeGreaterThan(8)
  expect(
    value('sandbox_mcp_http_requests_total', { method: 'POST', route: '/messages', status: '202' }),
  ).toBeGreaterThan(4)
  for (const word of [...users, ...users.map((user) => installation.identityOf(user).userHash), 'secret', OPERATOR]) {
    expect(text).not.toContain(word)
  }
})

test('calls that run, wait and are refused are seen while they do', async () => {
  await using server = await serve({ 'max-calls': '1', 'queue-timeout': '100s' })
  const { address } = server
  const client = await connectHttp('streamable', address, as(installation.newUser()))
  const gauge = (name: string, expected: number) =>
    vi.waitFor(async () => expect((await scrape(address)).value(name)).toBe(expected), { timeout: 40_000 })
  await client.callTool('shell_exec', { command: 'true' })
  const cancel = new AbortController()
  const running = client.callTool('shell_exec', { command: 'sleep 3600', wait_s: 50 }, { signal: cancel.signal })
  const cancelled = failureOf(running)
  await gauge('sandbox_mcp_calls_running', 1)
  // The queue holds two for the one place.
  const waiting = [1, 2].map((turn) => client.callTool('shell_exec', { command: `echo turn ${turn}` }))
  await gauge('sandbox_mcp_calls_waiting', 2)
  const refused = await client.callTool('shell_exec', { command: 'true' })
  expect(refused.content[0]).toMatchObject({ text: expect.stringMatching(/^sandbox_limit: Too many calls wait/) })
  cancel.abort()
  await cancelled
  expect((await Promise.all(waiting)).map(({ isError }) => isError)).toEqual([undefined, undefined])
  const { value } = await scrape(address)
  expect(value('sandbox_mcp_calls_waiting')).toBe(0)
  expect(value('sandbox_mcp_calls_refused_total', { reason: 'queue_full' })).toBe(1)
  expect(value('sandbox_mcp_call_wait_seconds_count')).toBe(2)
  expect(value('sandbox_mcp_tool_calls_total', { outcome: 'sandbox_limit' })).toBe(1)
})

test('are the operator’s alone', async () => {
  await using server = await serve({})
  const metrics = new URL('/metrics', server.address)
  expect((await fetch(metrics, { headers: as(installation.newUser()) })).status).toBe(403)
  expect((await fetch(metrics)).status).toBe(401)
})
