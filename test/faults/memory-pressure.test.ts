import { expect, test } from 'vitest'
import { connectHttp } from '../helpers/http-clients.ts'
import { useInstallation } from '../helpers/installation.ts'
import { IN_OWN_MOUNTS, noOwnMeminfo, ownMeminfo } from '../helpers/own-meminfo.ts'
import { parsePrometheusText } from '../helpers/prometheus-text.ts'
import { startInBackground } from '../helpers/processes.ts'
import { startHttpServer } from '../helpers/start-http-server.ts'
import { ConnectedCaller } from '../helpers/tool-caller.ts'

const installation = useInstallation()
const MIB = 1024 ** 2
const FLOOR_MIB = 16
const PLENTY = 1024 * MIB
const SHORT = (FLOOR_MIB - 1) * MIB

/** A server of many users who say themselves who they are. */
const serve = (memoryFloor: string, launcher: readonly string[] = []) =>
  startHttpServer({
    installation: installation.name,
    launcher,
    settings: {
      auth: 'proxy',
      'trusted-proxies': '127.0.0.1',
      'proxy-admins': 'operator',
      'pool-size': '0',
      'memory-floor': memoryFloor,
    },
  })

async function connect(address: URL): Promise<ConnectedCaller> {
  const user = installation.newUser()
  return new ConnectedCaller(user, await connectHttp('modern', address, { 'X-Forwarded-User': user }))
}

const isAwake = async ({ user }: ConnectedCaller) => (await installation.containers(user)).length > 0

test.skipIf(noOwnMeminfo())(
  'while memory is short the longest idle goes to sleep first, one at a look, never one that works, and none afterwards',
  async () => {
    await using server = await serve(`${FLOOR_MIB}MiB`, IN_OWN_MOUNTS)
    const { address } = server
    await using working = await connect(address)
    await using first = await connect(address)
    await using second = await connect(address)
    await using third = await connect(address)
    const users = [working, first, second, third]
    await using memory = await ownMeminfo(server.pid)
    const id = await startInBackground(working, 'read line; echo "$line" > file')
    for (const user of [first, second, third]) await user.output(`echo of ${user.user} > file`)
    const awake = () => Promise.all(users.map(isAwake))

    await memory.look(PLENTY)
    await memory.look(SHORT)
    await memory.look(SHORT)
    expect(await awake()).toEqual([true, false, expect.any(Boolean), true])
    await memory.look(PLENTY)
    expect(await awake()).toEqual([true, false, false, true])
    await memory.look(PLENTY)
    expect(await awake()).toEqual([true, false, false, true])

    // With the one that is idle gone there is nobody left who may go.
    await memory.look(SHORT)
    await memory.look(SHORT)
    await memory.look(PLENTY)
    expect(await awake()).toEqual([true, false, false, false])

    for (const user of [first, second, third]) {
      const { stdout, notice } = await user.exec('cat file')
      expect({ stdout, notice }).toEqual({
        stdout: `of ${user.user}\n`,
        notice: 'sandbox resumed: files kept, processes lost',
      })
    }
    await working.call('process_write', { process_id: id, input: 'worked on\n' })
    await expect.poll(async () => (await working.exec('cat file')).stdout).toBe('worked on\n')

    const answer = await fetch(new URL('/metrics', address), { headers: { 'X-Forwarded-User': 'operator' } })
    const { value } = parsePrometheusText(await answer.text())
    expect(value('sandbox_mcp_sandbox_evictions_total', { reason: 'memory' })).toBe(3)
    expect(server.log.filter(({ msg }) => msg.startsWith('memory is short'))).toHaveLength(2)
  },
)

test('the machine’s own figure counts: with a floor above all of its memory whoever is idle sleeps, and who works does not', async () => {
  await using server = await serve('1TiB')
  await using working = await connect(server.address)
  await using idle = await connect(server.address)
  const id = await startInBackground(working, 'cat')
  await idle.output('echo kept > file')
  await expect.poll(() => isAwake(idle), { timeout: 30_000 }).toBe(false)
  expect(await idle.exec('cat file')).toMatchObject({ stdout: 'kept\n', notice: expect.stringContaining('resumed') })
  await expect.poll(() => isAwake(idle), { timeout: 30_000 }).toBe(false)
  // Two rounds have passed it by.
  const { structured } = await working.call('process_read', { process_id: id })
  expect(structured.status).toBe('running')
  expect(await isAwake(working)).toBe(true)
})
