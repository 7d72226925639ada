import { expect, test, vi } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { openHttp } from '../helpers/legs.ts'
import { WireClient } from '../helpers/mcp-wire.ts'
import { LoadServer, Tokens } from '../load/load-server.ts'

const installation = useInstallation()

const SESSIONS = 2000
/** One session in so many is that of an SDK's client with an event stream; the others are the two requests that a session is. */
const SDK_SHARE = 10
const LEGS = ['HTTP, 2025-11-25', 'HTTP+SSE'] as const
/** Code is compiled and pools are filled by then. */
const WARM_UP = 300
/** Of memory that garbage collection did not free: a leak of 2 KiB a session would be above it. */
const HEAP_MIB = 3
/** One connection of the client's pool, and one of the scrape. */
const FDS_ABOVE = 4
const TIMERS_ABOVE = 4

test(`${SESSIONS} sessions that were opened and closed leave no memory, descriptors or timers behind`, async () => {
  const user = installation.newUser()
  await using tokens = await Tokens.of([user])
  await using server = await LoadServer.start({ installation: installation.name, tokens, settings: {} })
  const headers = { ...tokens.headersOf(user) }
  const openAndClose = async (count: number) => {
    for (let at = 0; at < count; at++) {
      if (at % SDK_SHARE === 0) {
        const client = await openHttp(LEGS[(at / SDK_SHARE) % LEGS.length] ?? LEGS[0], server.address, headers)
        await client.close()
      } else {
        const client = new WireClient(server.address, headers['Authorization']?.slice('Bearer '.length))
        await client.initialize()
        const { status } = await client.delete()
        if (status !== 200) throw new Error(`a session did not end: ${status}`)
      }
    }
  }
  const held = async () => {
    await server.collectGarbage()
    const { value } = await server.metrics()
    return {
      sessions: value('sandbox_mcp_sessions_open') ?? 0,
      timers: value('nodejs_active_resources', { type: 'Timeout' }) ?? 0,
      heapMiB: (value('nodejs_heap_size_used_bytes') ?? 0) / 1024 ** 2,
      fds: server.openFiles,
    }
  }
  await openAndClose(WARM_UP)
  const before = await held()
  await openAndClose(SESSIONS)
  await vi.waitFor(
    async () => {
      const after = await held()
      expect(after.sessions).toBe(0)
      expect(after.timers - before.timers).toBeLessThanOrEqual(TIMERS_ABOVE)
      expect(after.fds - before.fds).toBeLessThanOrEqual(FDS_ABOVE)
      expect(after.heapMiB - before.heapMiB).toBeLessThan(HEAP_MIB)
    },
    { timeout: 20_000, interval: 200 },
  )
}, 180_000)
