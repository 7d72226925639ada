import { expect, test, vi } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { LoadServer, Tokens } from '../load/load-server.ts'
import { openLoop } from '../load/open-loop.ts'

const installation = useInstallation()

const USERS = 20
const SANDBOXES = 10
const PLACES = 8
/** The queue takes twice as many as may run. */
const QUEUE = 2 * PLACES
/** As many may have lent their place while they wait for a sandbox to run, and go on beyond the cap. */
const LENT = 2 * PLACES
const QUEUE_TIMEOUT_S = 5
/** So many calls a second can be served: each takes a place for this long and next to no CPU. */
const COMMAND_S = 0.4
const CAPACITY = PLACES / COMMAND_S
const RECOVERY_MS = 30_000

test('arrivals at twice the capacity find a bounded queue and typed refusals, and the server is as before at once', async () => {
  const names = Array.from({ length: USERS }, () => installation.newUser())
  await using tokens = await Tokens.of(names)
  await using server = await LoadServer.start({
    installation: installation.name,
    tokens,
    settings: {
      memory: '64MiB',
      'max-running': String(SANDBOXES),
      'max-calls': String(PLACES),
      'queue-timeout': `${QUEUE_TIMEOUT_S}s`,
    },
  })
  const clients = await Promise.all(names.map((name, at) => server.connect(name, at)))
  const call = (at: number) =>
    // The default of MCP clients: work that was accepted and takes longer would be a failure.
    clients[at % USERS]?.callTool('shell_exec', { command: `sleep ${COMMAND_S}` }, { timeout: 60_000 }) ??
    Promise.reject(new Error('there is a client'))

  const waiting: number[] = []
  const running: number[] = []
  const loaded = new AbortController()
  const watching = (async () => {
    while (!loaded.signal.aborted) {
      const { value } = await server.metrics()
      waiting.push(value('sandbox_mcp_calls_waiting') ?? 0)
      running.push(value('sandbox_mcp_calls_running') ?? 0)
    }
  })()
  const outcomes = await openLoop({ perSecond: 2 * CAPACITY, seconds: 10 }, call)
  loaded.abort()
  await watching

  const texts = (how: string) => outcomes.filter((outcome) => outcome.how === how).map(({ text }) => text)
  expect(texts('failed')).toEqual([])
  expect(new Set(texts('refused'))).toEqual(new Set(['sandbox_limit']))
  expect(texts('served').length).toBeGreaterThan(CAPACITY)
  expect(Math.max(...waiting)).toBeGreaterThan(0)
  expect(Math.max(...waiting)).toBeLessThanOrEqual(QUEUE)
  expect(Math.max(...running)).toBeLessThanOrEqual(PLACES + LENT)

  // One call at a time is within the capacity: each is served, of users whose sandbox sleeps, too.
  const ended = performance.now()
  await vi.waitUntil(
    async () => {
      const { value } = await server.metrics()
      return value('sandbox_mcp_calls_waiting') === 0 && value('sandbox_mcp_calls_running') === 0
    },
    { timeout: RECOVERY_MS },
  )
  for (let at = 0; at < USERS; at++) expect((await call(at)).isError, `user ${at}`).not.toBe(true)
  expect(performance.now() - ended).toBeLessThan(RECOVERY_MS)
  await Promise.all(clients.map((client) => client.close()))
}, 180_000)
