import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import { startLocalSupervisor, SUPERVISOR_BINARY } from '../../helpers/local-supervisor.ts'

/** supervisor/PROTOCOL.md, "Connection". */
const MAX_CONNECTIONS = 64
const EXIT_FULL = 3

test('one connection more than the supervisor takes is told so, and the others go on', async () => {
  await using supervisor = await startLocalSupervisor()
  const clients = await Promise.all(Array.from({ length: MAX_CONNECTIONS }, () => supervisor.connect()))
  const oneMore = spawn(SUPERVISOR_BINARY, ['connect', '--socket', supervisor.socket], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  expect(await once(oneMore, 'exit')).toEqual([EXIT_FULL, null])
  await Promise.all(clients.map((client) => client.ping()))
  for (const client of clients) client.connection.close()
  // A place is free as soon as the supervisor has seen the end of a connection.
  const next = await vi.waitFor(() => supervisor.connect(), { timeout: 10_000 })
  await next.ping()
})
