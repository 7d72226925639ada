import { expect, test, vi } from 'vitest'
import { listHoldings } from '../../src/registry/owned.ts'
import { useInstallation } from '../helpers/installation.ts'
import { LEGS, openLeg, startForUsers, USER_HEADER } from '../helpers/legs.ts'
import { parsePrometheusText } from '../helpers/prometheus-text.ts'
import type { TestHttpServer } from '../helpers/start-http-server.ts'

const OPERATOR = 'operator'
const installation = useInstallation()
const slots = async () => (await listHoldings(installation.engine, installation.name)).slots

function start(env: Readonly<Record<string, string>>): Promise<TestHttpServer> {
  return startForUsers(installation.name, { SANDBOX_PROXY_ADMINS: OPERATOR, ...env })
}

async function metric({ address }: TestHttpServer, name: string, labels: Record<string, string>) {
  const answer = await fetch(new URL('/metrics', address), { headers: { [USER_HEADER]: OPERATOR } })
  return parsePrometheusText(await answer.text()).value(name, labels)
}

const ready = (server: TestHttpServer, count: number) =>
  vi.waitFor(async () => expect(await metric(server, 'sandbox_mcp_pool_slots', { state: 'ready' })).toBe(count), {
    timeout: 60_000,
    interval: 100,
  })

test('a new user over HTTP gets a slot, and one is there for the next; with the server go those that nobody has', async () => {
  const server = await start({ SANDBOX_POOL_SIZE: '1' })
  await ready(server, 1)
  const [slot] = await slots()
  const user = installation.newUser()
  const client = await openLeg('HTTP, 2025-11-25', { installation: installation.name, user, address: server.address })
  const { text, result } = await client.call('shell_exec', { command: 'echo hello > first; cat first' })
  expect(text).toContain('hello')
  expect(JSON.stringify(result)).toContain('created')
  expect((await installation.containers(user)).map(({ name }) => name)).toEqual([slot?.name])
  expect(await metric(server, 'sandbox_mcp_pool_claims_total', { outcome: 'hit' })).toBe(1)
  await ready(server, 1)
  await client[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  expect(await slots()).toEqual([])
  expect(await installation.containers(user)).toHaveLength(1)
})

test('slots of a server that was killed are removed by the next one', async () => {
  const killed = await start({ SANDBOX_POOL_SIZE: '2' })
  await ready(killed, 2)
  await killed.kill('SIGKILL')
  expect(await slots()).toHaveLength(2)
  await using next = await start({})
  // It looks at its start, and again 10 s later.
  await vi.waitFor(async () => expect(await slots()).toEqual([]), { timeout: 30_000, interval: 500 })
  expect(next.address.port).not.toBe(killed.address.port)
})

test.each(LEGS)(
  'over %s the sandbox of a returning user is ready before the first call, which still says so',
  async (leg) => {
    const user = installation.newUser()
    await using server = await start({ SANDBOX_PREWARM: 'returning' })
    const open = () =>
      openLeg(leg, {
        installation: installation.name,
        user,
        address: server.address,
        env: { SANDBOX_PREWARM: 'returning' },
      })
    {
      await using first = await open()
      // New: nothing is started for them before they call.
      expect(await installation.containers(user)).toEqual([])
      await first.call('write_file', { path: 'kept', content: 'x' })
    }
    await installation.engine.containers.remove(installation.identityOf(user).containerName)
    await using second = await open()
    await vi.waitFor(async () => expect(await installation.containers(user)).toMatchObject([{ state: 'running' }]), {
      timeout: 20_000,
      interval: 50,
    })
    const { text } = await second.call('shell_exec', { command: 'cat kept' })
    expect(text).toContain('resumed')
  },
)
