import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test, vi } from 'vitest'
import { startMcpFront } from '../../helpers/mcp-front.ts'
import { call, WireClient, WireStream } from '../../helpers/mcp-wire.ts'

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes of the heap that are in use, after the garbage is gone. */
async function heap(): Promise<number> {
  for (let at = 0; at < 4; at++) {
    collectGarbage()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage().heapUsed
}

// LD05
test('a session that has ended leaves nothing on the heap', { timeout: 60_000 }, async () => {
  const { address, routes, provider, lines } = await startMcpFront()
  const one = async (): Promise<void> => {
    const client = new WireClient(address, 'alice', '2025-11-25')
    await client.initialize()
    await client.post(call('shell_exec', { command: 'true' }))
    await client.delete()
    const stream = new WireStream(await client.send('GET', {}, undefined, '/sse'))
    await vi.waitFor(() => expect(stream.events).toHaveLength(1))
    await stream.cancel()
  }
  const some = async (): Promise<void> => {
    for (let at = 0; at < 50; at++) await one()
    await vi.waitFor(() => expect(routes.sessions.size).toBe(0))
    // The fakes keep what they are given.
    provider.acquired.length = 0
    lines.length = 0
  }
  await some()
  const before = await heap()
  await some()
  // A hundred sessions: less than a server of the SDK takes, which is 30 KB and more.
  expect((await heap()) - before).toBeLessThan(50 * 10_000)
})
