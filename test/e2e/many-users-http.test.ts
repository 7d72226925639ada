import pLimit from 'p-limit'
import { expect, test } from 'vitest'
import { connectHttp, HTTP_LEGS } from '../helpers/http-clients.ts'
import { BEHIND_PROXY, startHttpServer } from '../helpers/start-http-server.ts'
import { useInstallation } from '../helpers/installation.ts'
import type { McpClient } from '../helpers/mcp-client.ts'
import { parsePrometheusText } from '../helpers/prometheus-text.ts'

const installation = useInstallation()

const USERS = 100
/** Fewer sandboxes than users, and no more calls at once than sandboxes: each has one that it can have. */
const SANDBOXES = 24
const AT_ONCE = 20
const OPERATOR = 'operator'

interface Session {
  readonly client: McpClient
  /** In every answer of this user, and of nobody else. */
  readonly mark: string
}

type Step = (session: Session) => readonly [tool: string, args: Record<string, unknown>]

/** Twenty calls, each of which answers with the user's mark. */
const STEPS: readonly Step[] = [
  ({ mark }) => ['write_file', { path: `${mark}.txt`, content: `${mark}\nline two\n` }],
  ({ mark }) => ['read_file', { path: `${mark}.txt` }],
  ({ mark }) => ['shell_exec', { command: `cat ${mark}.txt` }],
  () => ['list_files', {}],
  ({ mark }) => ['edit_file', { path: `${mark}.txt`, edits: [{ old: 'line two', new: `line 2 of ${mark}` }] }],
  ({ mark }) => ['search_files', { pattern: mark, path: '.' }],
  ({ mark }) => ['run_code', { language: 'bash', code: `echo "$1"`, args: [mark] }],
  ({ mark }) => ['shell_exec', { command: 'cat', stdin: mark }],
  ({ mark }) => ['shell_exec', { command: `mkdir -p ${mark} && cd ${mark} && pwd` }],
  ({ mark }) => [
    'upload',
    { path: `${mark}/up.bin`, content: Buffer.from(mark).toString('base64'), encoding: 'base64' },
  ],
  ({ mark }) => ['read_file', { path: `${mark}/up.bin` }],
  ({ mark }) => ['shell_exec', { command: `printf %s "$WHO"`, env: { WHO: mark } }],
  ({ mark }) => ['shell_exec', { command: `echo ${mark} >&2; exit 7` }],
  ({ mark }) => ['read_file', { path: `missing-${mark}` }],
  ({ mark }) => ['write_file', { path: `${mark}.txt`, content: `last ${mark}\n`, mode: 'append' }],
  ({ mark }) => ['shell_exec', { command: `tail -n 1 ${mark}.txt` }],
  ({ mark }) => ['shell_exec', { command: `seq 5000 | sed 's/^/${mark} /'`, max_output_bytes: 2048 }],
  ({ mark }) => ['run_code', { language: 'python', code: `print('${mark}'[::-1][::-1])` }],
  ({ mark }) => ['list_files', { path: mark }],
  ({ mark }) => ['shell_exec', { command: `cat ${mark}/up.bin` }],
]

/** Any user's mark within a text. */
const MARKS = /mark-\d{3}-[0-9a-z]+/g

async function take({ client, mark }: Session, step: Step): Promise<void> {
  const [tool, args] = step({ client, mark })
  const result = await client.callTool(tool, args, { timeout: 100_000 })
  const text = JSON.stringify(result)
  const context = `${tool} of ${mark}: ${text.slice(0, 500)}`
  expect(new Set(text.match(MARKS)), context).toEqual(new Set([mark]))
  // One of the steps asks for a file that is not there.
  expect(result.isError === true, context).toBe(JSON.stringify(args).includes('missing-'))
}

test('100 users over all legs make 20 mixed calls each: no error, no mixed-up answer, files kept through evictions', async () => {
  expect(STEPS).toHaveLength(20)
  await using server = await startHttpServer({
    installation: installation.name,
    settings: {
      ...BEHIND_PROXY,
      'proxy-admins': OPERATOR,
      memory: '64MiB',
      'max-running': String(SANDBOXES),
      'max-calls': String(SANDBOXES),
      'queue-timeout': '90s',
    },
  })
  const { address } = server
  const sessions = await Promise.all(
    Array.from({ length: USERS }, async (_, at): Promise<Session> => {
      const user = installation.newUser()
      const leg = HTTP_LEGS[at % HTTP_LEGS.length] ?? 'modern'
      const mark = `mark-${String(at).padStart(3, '0')}-${user.slice(-6)}`
      return { client: await connectHttp(leg, address, { 'X-Forwarded-User': user }), mark }
    }),
  )
  // All are connected all the time; so many work at once, the others' sandboxes go to sleep for them.
  const limit = pLimit(AT_ONCE)
  await limit.map(sessions, async (session) => {
    for (const step of STEPS) await take(session, step)
  })
  // Those who came first were evicted since, and find their files.
  const lastStep = STEPS.at(-1)
  if (!lastStep) throw new Error('there are steps')
  await limit.map(sessions.slice(0, 10), (session) => take(session, lastStep))

  const text = await (await fetch(new URL('/metrics', address), { headers: { 'X-Forwarded-User': OPERATOR } })).text()
  const { value } = parsePrometheusText(text)
  expect(value('sandbox_mcp_tool_calls_total')).toBe(USERS * STEPS.length + 10)
  expect(value('sandbox_mcp_tool_calls_total', { outcome: 'not_found' })).toBe(USERS)
  expect(value('sandbox_mcp_calls_refused_total') ?? 0).toBe(0)
  expect(value('sandbox_mcp_sandbox_evictions_total', { reason: 'room' })).toBeGreaterThanOrEqual(USERS - SANDBOXES)
  expect(value('sandbox_mcp_sandbox_start_duration_seconds_count', { outcome: 'resumed' })).toBe(10)
  expect(await installation.containers()).toHaveLength(SANDBOXES)
  await Promise.all(sessions.map(({ client }) => client.close()))
}, 240_000)
