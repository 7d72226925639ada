import { randomBytes } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { LABEL } from '../../src/registry/identity.ts'
import { listHoldings } from '../../src/registry/owned.ts'
import { connectHttp } from '../helpers/http-clients.ts'
import { BASE_IMAGE } from '../helpers/images.ts'
import { removeInstallation, useInstallation } from '../helpers/installation.ts'
import { removeImagesOf } from '../helpers/own-runtimes.ts'
import { seededRandom } from '../helpers/random.ts'
import { BEHIND_PROXY, startHttpServer, type TestHttpServer } from '../helpers/start-http-server.ts'
import { ConnectedCaller } from '../helpers/tool-caller.ts'

const installation = useInstallation()
const USERS = 8
const CALLS = 14
/** Calls that each user has had answered when one of the servers is killed. */
const CALLS_BEFORE = 5
const POOL = 2

/** A runtime that no earlier run has built, so that it is built in the middle of all this. */
const runtime = `test-${randomBytes(6).toString('hex')}`
afterAll(async () => {
  // Its containers use the image.
  await removeInstallation(installation.engine, installation.name)
  await removeImagesOf(installation.engine, runtime)
})

const SETTINGS = {
  ...BEHIND_PROXY,
  memory: '64MiB',
  'pool-size': String(POOL),
  'freeze-after': '1s',
  'idle-timeout': '3s',
  'build-network': 'host',
  'custom-runtimes': JSON.stringify([
    { name: runtime, description: 'For a test.', base_image: BASE_IMAGE, setup_commands: ['sleep 2'] },
  ]),
}

/** What became of one line that a user's command was to write. */
type Fate = 'told' | 'unknown'

/** One user with a client at each server, whose commands each write a line of their own. */
class User {
  readonly name = installation.newUser()
  readonly fates = new Map<string, Fate>()
  readonly #callers: ConnectedCaller[] = []

  async connect(servers: readonly TestHttpServer[]): Promise<this> {
    for (const { address } of servers) {
      const client = await connectHttp('modern', address, { 'X-Forwarded-User': this.name })
      this.#callers.push(new ConnectedCaller(this.name, client))
    }
    return this
  }

  at(server: number): ConnectedCaller {
    const caller = this.#callers[server]
    if (!caller) throw new Error('there are two servers')
    return caller
  }

  /** A command by this server. Its answer is a success, or nobody knows what became of it. */
  async write(line: string, server: number): Promise<void> {
    this.fates.set(line, 'unknown')
    try {
      if ((await this.at(server).output(`echo ${line} >> lines; echo ${line}`)) === line) this.fates.set(line, 'told')
    } catch (error) {
      if (server !== 0) throw error
    }
  }

  async close(): Promise<void> {
    await this.#callers[1]?.client.close()
  }
}

test('two servers with pool, ladder and a build, one of them killed: nothing lost, nothing twice, nothing left', async () => {
  const options = { installation: installation.name, settings: SETTINGS }
  const dying = await startHttpServer(options)
  await using living = await startHttpServer(options)
  const users = await Promise.all(Array.from({ length: USERS }, () => new User().connect([dying, living])))
  const random = seededRandom(7)
  let isDead = false
  let ready = 0
  let allReady = (): void => {}
  const kill = new Promise<void>((resolve) => (allReady = resolve)).then(async () => {
    await dying.kill('SIGKILL')
    isDead = true
  })

  const work = users.map(async (user, at) => {
    for (let call = 0; call < CALLS; call++) {
      if (call === CALLS_BEFORE && ++ready === USERS) allReady()
      await user.write(`${at}-${call}`, isDead ? 1 : random() < 0.5 ? 0 : 1)
      // Some pauses are long enough for frozen, some for evicted.
      await new Promise((resolve) => setTimeout(resolve, call % 6 === 5 ? 4500 * random() : 200 * random()))
    }
  })
  // Begun at the server that dies, by a user who goes to the other one then.
  const builder = await new User().connect([dying, living])
  const building = builder.at(0).call('sandbox_manage', { action: 'runtime', runtime })
  building.catch(() => {}) // its server may be killed before it answers
  await Promise.all([...work, kill])
  await building.catch(() => {})
  const built = await builder.at(1).call('sandbox_manage', { action: 'runtime', runtime })
  expect(built.isError, built.text).toBe(false)

  for (const user of users) {
    const lines = (await user.at(1).output('cat lines')).split('\n')
    expect(new Set(lines).size, `twice: ${lines.join(' ')}`).toBe(lines.length)
    const told = [...user.fates].flatMap(([line, fate]) => (fate === 'told' ? [line] : []))
    expect(lines).toEqual(expect.arrayContaining(told))
    expect(lines.filter((line) => !user.fates.has(line))).toEqual([])
    // Of each client only the call that was out when its server died is open.
    expect(user.fates.size - told.length).toBeLessThanOrEqual(1)
  }

  const { engine } = installation
  const passing = async () => {
    const containers = await engine.containers.list({ [LABEL.installation]: installation.name })
    const { users: owned, slots } = await listHoldings(engine, installation.name)
    return {
      helpers: containers.filter(({ labels }) => !['sandbox', 'slot'].includes(labels[LABEL.role] ?? '')).length,
      halves: slots.filter(({ container, volume }) => !container || !volume).length,
      tooManySlots: Math.max(0, slots.length - POOL),
      users: owned.length,
    }
  }
  await expect
    .poll(passing, { timeout: 60_000, interval: 500 })
    .toEqual({ helpers: 0, halves: 0, tooManySlots: 0, users: USERS + 1 })
  const owned = await listHoldings(engine, installation.name)
  const containers = await engine.containers.list({ [LABEL.installation]: installation.name })
  expect(containers.length).toBeLessThanOrEqual(USERS + 1 + owned.slots.length)
  await Promise.all([...users, builder].map((user) => user.close()))
}, 180_000)
