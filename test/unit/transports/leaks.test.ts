import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test, vi } from 'vitest'
import { startMcpFront } from '../../helpers/mcp-front.ts'
import { call, WireClient, WireStream } from '../../helpers/mcp-wire.ts'

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

// LD05
test(
  'nothing holds on to the servers of sessions that have ended, however they ended',
  { timeout: 60_000 },
  async () => {
    const servers: WeakRef<object>[] = []
    const { address, routes } = await startMcpFront({
      limits: { idleMs: 1000 },
      onServer: (server) => servers.push(new WeakRef(server)),
    })
    for (let at = 0; at < 10; at++) {
      const [deleted, left] = [new WireClient(address, 'alice', '2025-11-25'), new WireClient(address, 'alice')]
      await Promise.all([deleted.initialize(), left.initialize()])
      await deleted.post(call('shell_exec', { command: 'true' }))
      await deleted.delete()
      const stream = new WireStream(await left.send('GET', {}, undefined, '/sse'))
      await stream.firstEvent
      await stream.cancel()
    }
    await vi.waitFor(() => expect(routes.sessions.size).toBe(0), { timeout: 10_000 })
    expect(servers).toHaveLength(30)
    // Objects die in a turn of the loop that comes after the last use of theirs.
    await vi.waitFor(
      () => {
        collectGarbage()
        expect(servers.filter((server) => server.deref() !== undefined)).toHaveLength(0)
      },
      { timeout: 20_000, interval: 100 },
    )
  },
)
