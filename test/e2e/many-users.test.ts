import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { expect, test } from 'vitest'
import { startForManyUsers } from '../helpers/in-process.ts'
import { useInstallation } from '../helpers/installation.ts'

const installation = useInstallation()

async function exec(client: Client, args: Record<string, unknown>): Promise<CallToolResult> {
  return (await client.callTool({ name: 'shell_exec', arguments: args }, undefined, {
    timeout: 110_000,
  })) as CallToolResult
}

const textOf = ({ content: [first] }: CallToolResult) => (first?.type === 'text' ? first.text : '')

// LC23
test('at the limit of sandboxes the one idle longest sleeps for a new user, and never a busy one', async () => {
  await using server = startForManyUsers(installation.name, { 'max-running': '3', 'queue-timeout': '2s' })
  const users = Array.from({ length: 5 }, () => installation.newUser())
  const [oldest, busy, recent, fourth, fifth] = await Promise.all(users.map((user) => server.clientOf(user)))
  if (!oldest || !busy || !recent || !fourth || !fifth) throw new Error('five clients')
  await exec(busy, { command: 'sleep 3600', wait_s: 0 })
  await exec(oldest, { command: 'echo kept > file' })
  await exec(recent, { command: 'true' })

  expect(textOf(await exec(fourth, { command: 'echo in' }))).toContain('in')
  const awake = await Promise.all(users.map(async (user) => (await installation.containers(user)).length))
  expect(awake).toEqual([0, 1, 1, 1, 0])

  const { structuredContent: started } = await exec(recent, { command: 'sleep 3600', wait_s: 0 })
  await exec(fourth, { command: 'sleep 3600', wait_s: 0 })
  const refused = await exec(fifth, { command: 'true' })
  expect(refused.isError).toBe(true)
  expect(textOf(refused)).toMatch(
    /^sandbox_limit: All 3 sandboxes that may run here at once are in use, .* within 2 s\. Call again in 2 s\./,
  )
  expect((await installation.containers(users[4])).length).toBe(0)
  // Those that have a sandbox go on.
  expect(textOf(await exec(busy, { command: 'echo still' }))).toContain('still')

  // Who waits comes in when somebody's work ends.
  const process = { process_id: started?.['process_id'], signal: 'kill' }
  const [waiting] = await Promise.all([
    exec(fifth, { command: 'echo my turn' }),
    recent.callTool({ name: 'process_write', arguments: process }),
  ])
  expect(textOf(waiting)).toContain('my turn')
  expect((await installation.containers(users[2])).length).toBe(0)
})

// RX24
test('20 users who flood at once cost the server what it shows of that, and each gets an answer of its own', async () => {
  // What Node prints of itself, such as of a suspected leak, would stand between the lines of the log.
  const warnings: Error[] = []
  process.on('warning', (warning) => warnings.push(warning))
  await using server = startForManyUsers(installation.name, { cpus: '0.1', memory: '64MiB' })
  const clients = await Promise.all(Array.from({ length: 20 }, () => server.clientOf(installation.newUser())))
  await Promise.all(clients.map((client) => exec(client, { command: 'true' })))

  const flood = (place: string) =>
    measured(() =>
      Promise.all(
        clients.map((client, at) => {
          const command = `yes ${'x'.repeat(200)} | head -c 20000000${place}; echo user ${at}`
          return exec(client, { command, max_output_bytes: 65_536 })
        }),
      ),
    )
  // The same calls without output.
  const { cpuMs: unseen } = await flood(' > /dev/null')
  const { cpuMs: seen, value: results } = await flood('')
  for (const [at, result] of results.entries()) {
    expect(result.structuredContent).toMatchObject({
      status: 'exited',
      exit_code: 0,
      stdout_bytes: 20_000_000 + `user ${at}\n`.length,
    })
    expect(textOf(result)).toMatch(new RegExp(`user ${at}$`))
  }
  // To read all 400 MB would cost more than this; what is shown of them costs a quarter of it.
  expect(seen - unseen).toBeLessThan(200)
  expect(warnings).toEqual([])
})

/** The processor time that this process took meanwhile, in milliseconds: others on the machine do not change it much, as they do the clock. */
async function measured<T>(run: () => Promise<T>): Promise<{ value: T; cpuMs: number }> {
  const before = process.cpuUsage()
  const value = await run()
  const { user, system } = process.cpuUsage(before)
  return { value, cpuMs: (user + system) / 1000 }
}
