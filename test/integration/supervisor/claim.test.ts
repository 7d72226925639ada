import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LocalSupervisor, startLocalSupervisor } from '../../helpers/local-supervisor.ts'

let supervisor: LocalSupervisor
beforeAll(async () => {
  supervisor = await startLocalSupervisor()
})
afterAll(() => supervisor[Symbol.asyncDispose]())

test('of many servers that claim at once one gets the sandbox, and nobody ever after, whatever is done in it', async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => supervisor.connect()))
  const first = clients[0]
  if (!first) throw new Error('no client')
  const before = await first.info()
  expect(before.idleMs).toBeGreaterThanOrEqual(before.uptimeMs)
  const claims = await Promise.all(clients.flatMap((client) => [client.claim(), client.claim()]))
  expect(claims.filter((claimed) => claimed)).toHaveLength(1)
  // Claimed, and never used.
  const claimed = await first.info()
  expect(claimed.idleMs).toBeGreaterThanOrEqual(claimed.uptimeMs)

  // Not even while a hold is on, nor when it has been used, nor by a connection of later.
  await first.quiesce(0, 60_000)
  expect(await first.claim()).toBe(false)
  await first.quiesce(0, 0)
  await first.stat('/', false)
  const used = await first.info()
  expect(used.idleMs).toBeLessThan(used.uptimeMs)
  for (const client of clients) client.connection.close('the test goes on')
  expect(await (await supervisor.connect()).claim()).toBe(false)
})
