import { randomBytes } from 'node:crypto'
import { afterEach, beforeAll, expect, inject, test, vi } from 'vitest'
import { type App, createApp } from '../../../src/app.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { listHoldings } from '../../../src/registry/owned.ts'
import { identityOf } from '../../../src/registry/identity.ts'
import { resolveOwner } from '../../../src/registry/owner.ts'
import { connect } from '../../../src/registry/connect.ts'
import { useBuildNetwork } from '../../helpers/build-network.ts'
import { removeInstallation } from '../../helpers/installation.ts'
import { buildFlags, toolsIn } from '../../helpers/real-sandbox.ts'
import { installationPrefix } from '../../helpers/test-label.ts'

const RUNTIME = 'python-minimal'
const network = useBuildNetwork()
const installation = `${installationPrefix(inject('runId'))}${randomBytes(4).toString('hex')}`
const servers: App[] = []

/** A server of the installation, in this process; with a pool, one that is full. */
async function server(poolSize: number): Promise<App> {
  const flags = { ...buildFlags(network()), installation, runtime: RUNTIME, 'pool-size': String(poolSize) }
  const app = createApp(loadConfig({ flags, env: {} }).config, process.env, silentLogger)
  servers.push(app)
  app.registry.fillPool()
  await vi.waitFor(() => expect(app.registry.poolSlots.ready).toBe(poolSize), { timeout: 60_000, interval: 50 })
  return app
}

const names = async ({ engine }: App) =>
  (await engine.containers.list({ 'sandbox-mcp.installation': installation })).map(({ name }) => name)

beforeAll(async () => {
  await (await server(0)).images.ensure(RUNTIME)
}, 600_000)

afterEach(async () => {
  const [first] = servers
  for (const app of servers.splice(1)) await app.close()
  if (first) await removeInstallation(first.engine, installation)
})

test('a new user gets a slot; files, uid and workspace are theirs alone, and outlive the container', async () => {
  const app = await server(2)
  const [a, b] = await Promise.all(['ada', 'bob'].map((user) => app.registry.acquire(user)))
  if (!a || !b) throw new Error('two users')
  expect([a.notice, b.notice]).toEqual(['created', 'created'])
  const [ada, bob] = [toolsIn(a.sandbox), toolsIn(b.sandbox)]
  await ada.put('mine', 'of ada')
  expect(await bob.output('ls -A /workspace')).toBe('')
  const uid = await ada.output('id -u')
  expect(await bob.output('id -u')).not.toBe(uid)
  a.release()
  b.release()
  const identity = identityOf(installation, 'ada')
  const [slot] = (await resolveOwner(app.engine, identity)).containerNames
  await app.engine.containers.remove(slot ?? '')
  const again = await app.registry.acquire('ada')
  expect(await toolsIn(again.sandbox).output('cat mine; id -u')).toBe(`of ada${uid}`)
  again.release()
})

test('one slot is had by one of two servers that claim it at the same moment, and by nobody after', async () => {
  const app = await server(1)
  const [slot] = (await listHoldings(app.engine, installation)).slots
  const clients = await Promise.all(Array.from({ length: 4 }, () => connect(app.engine, slot?.container?.id ?? '')))
  const claims = await Promise.all(clients.map((client) => client.claim()))
  expect(claims.filter((claimed) => claimed)).toHaveLength(1)
  for (const client of clients) client.connection.close('claimed')
  const lease = await app.registry.acquire('ada')
  expect((await resolveOwner(app.engine, identityOf(installation, 'ada'))).volumeName).not.toBe(slot?.name)
  lease.release()
})

test('of two servers with full pools that meet one user at once one decides, and nothing is left when they end', async () => {
  const both = await Promise.all([server(1), server(1)])
  const leases = await Promise.all(both.map((app) => app.registry.acquire('ada')))
  expect(new Set(leases.map(({ notice }) => notice))).toEqual(new Set(['created', undefined]))
  const [one, other] = leases.map(({ sandbox }) => toolsIn(sandbox))
  await one?.put('from-one', 'seen')
  expect(await other?.output('cat from-one')).toBe('seen')
  for (const lease of leases) lease.release()
  const [app] = both
  if (!app) throw new Error('two servers')
  for (const each of both) await each.registry.close(false)
  const { users, slots } = await listHoldings(app.engine, installation)
  expect(slots).toEqual([])
  expect(users).toHaveLength(1)
  expect(await names(app)).toEqual([users[0]?.container?.name])
})

test('no code of a user can take a claim back, or name a volume of its own', async () => {
  const app = await server(1)
  const lease = await app.registry.acquire('ada')
  const ada = toolsIn(lease.sandbox)
  const [slot] = (await resolveOwner(app.engine, identityOf(installation, 'ada'))).containerNames
  // The ways to PID 1: signals, its memory, its socket as another than the bridge.
  expect(
    await ada.output('kill -9 1; kill -STOP 1; cat /proc/1/mem; /.sandbox/supervisor connect </dev/null; true'),
  ).toBe('')
  const client = await connect(app.engine, slot ?? '')
  expect(await client.claim()).toBe(false)
  client.connection.close('asked')
  lease.release()
})
