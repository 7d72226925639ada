import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { expect, test, vi } from 'vitest'
import { startForManyUsers } from '../helpers/in-process.ts'
import { useInstallation } from '../helpers/installation.ts'

const installation = useInstallation()

const FLOOD = 500
const PLACES = 16
/** The queue takes twice as many as may run. */
const WAITING = 2 * PLACES

function exec(client: Client, args: Record<string, unknown>, signal?: AbortSignal): Promise<CallToolResult> {
  return client.callTool({ name: 'shell_exec', arguments: args }, undefined, {
    timeout: 110_000,
    ...(signal && { signal }),
  }) as Promise<CallToolResult>
}

const textOf = ({ content: [first] }: CallToolResult) => (first?.type === 'text' ? first.text : '')

test('a flood of one user delays another’s call by no more than one place that becomes free', async () => {
  await using server = startForManyUsers(installation.name, {
    'max-calls': String(PLACES),
    'max-calls-per-user': String(PLACES),
    'queue-timeout': '100s',
    memory: '128MiB',
  })
  const { admission } = server.app
  const [flooding, other] = await Promise.all([
    server.clientOf(installation.newUser()),
    server.clientOf(installation.newUser()),
  ])
  await Promise.all([exec(flooding, { command: 'true' }), exec(other, { command: 'true' })])

  const cancels = Array.from({ length: FLOOD }, () => new AbortController())
  const ends = cancels.map(({ signal }) =>
    exec(flooding, { command: 'sleep 3600', wait_s: 45 }, signal).then(textOf, () => 'cancelled'),
  )
  // What does not fit into the queue is refused at once.
  for (const end of await Promise.all(ends.slice(PLACES + WAITING))) expect(end).toMatch(/^sandbox_limit: /)
  expect(admission.waiting).toBe(WAITING)
  const answered: string[] = []
  const call = exec(other, { command: 'echo my turn' }).then((result) => void answered.push(textOf(result)))
  // The other one’s call takes a place in the queue from the flood.
  expect(await ends[PLACES + WAITING - 1]).toMatch(/^sandbox_limit: /)
  expect(answered).toEqual([])

  // The flood's turn, and then the other's, though the flood came first with all its calls.
  for (const cancel of cancels.slice(0, 2)) {
    const before = admission.waiting
    cancel.abort()
    await vi.waitUntil(() => admission.waiting < before, { timeout: 60_000 })
  }
  await call
  expect(answered).toEqual(['my turn'])
  expect(admission.running).toBe(PLACES)

  for (const cancel of cancels) cancel.abort()
  await Promise.all(ends)
  await vi.waitUntil(() => admission.running === 0 && admission.waiting === 0, { timeout: 60_000 })
})

test('calls that take turns and sandboxes that take turns do not wait for each other', async () => {
  await using server = startForManyUsers(installation.name, {
    'max-calls': '2',
    'max-running': '2',
    'queue-timeout': '100s',
    memory: '64MiB',
  })
  const users = await Promise.all(Array.from({ length: 5 }, () => server.clientOf(installation.newUser())))
  for (const round of ['first', 'second']) {
    const results = await Promise.all(users.map((client, at) => exec(client, { command: `echo ${round} of ${at}` })))
    for (const [at, result] of results.entries()) expect(textOf(result)).toContain(`${round} of ${at}`)
  }
})
