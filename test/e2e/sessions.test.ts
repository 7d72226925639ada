import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { openHttp, openLeg, startForUsers, USER_HEADER } from '../helpers/legs.ts'
import { call, modern, WireClient, WireStream } from '../helpers/mcp-wire.ts'
import { runningCommands, startInBackground } from '../helpers/processes.ts'
import { startHttpServer } from '../helpers/start-http-server.ts'
import { ConnectedCaller } from '../helpers/tool-caller.ts'
import { LABEL } from '../../src/registry/identity.ts'

const installation = useInstallation()

/** A server whose callers have names. */
const forUsers = (env: Readonly<Record<string, string>> = {}) => startForUsers(installation.name, env)
/** A server whose callers have none. */
const forAnybody = (env: Readonly<Record<string, string>> = {}) =>
  startHttpServer({ installation: installation.name, env })

/** Of one session that has made a call: a container, its workspace, the record of whose it is. */
const THINGS = 3

/** What there is of anonymous sessions in this installation. */
async function anonymousThings() {
  const labels = { [LABEL.installation]: installation.name, [LABEL.anonymous]: 'true' }
  const [containers, volumes] = [
    await installation.engine.containers.list(labels),
    await installation.engine.volumes.list(labels),
  ]
  return [...containers, ...volumes].map(({ name }) => name)
}

const EXEC = (command: string, id = 1) => call('shell_exec', { command }, id)
const stdoutOf = ({ messages }: Awaited<ReturnType<WireClient['post']>>) =>
  messages.at(-1)?.result?.structuredContent?.stdout as unknown

describe('one user', () => {
  test('of a session for each call, two stdio servers, an SSE client and two HTTP servers has one container', async () => {
    const user = installation.newUser()
    await using first = await forUsers()
    await using second = await forUsers()
    const headers = { [USER_HEADER]: user }
    const perCall = async (command: string, address: URL) => {
      const client = await openHttp('HTTP, 2025-11-25', address, headers)
      await using caller = new ConnectedCaller(user, client)
      return await caller.output(command)
    }
    const options = { installation: installation.name, user, address: first.address }
    await using stdio = await openLeg('stdio, 2025-11-25', options)
    await using other = await openLeg('stdio, 2026-07-28', options)
    await using sse = await openLeg('HTTP+SSE', options)
    const commands = Array.from({ length: 12 }, (_, at) => `echo ${at} >> log; echo ${at}`)
    const outputs = await Promise.all(
      commands.map((command, at) => {
        if (at % 6 === 0) return stdio.output(command)
        if (at % 6 === 1) return other.output(command)
        if (at % 6 === 2) return sse.output(command)
        return perCall(command, at % 2 === 0 ? first.address : second.address)
      }),
    )
    expect(outputs).toEqual(commands.map((_, at) => String(at)))
    expect(await sse.output('wc -l < log')).toBe('12')
    expect(await installation.containers(user)).toHaveLength(1)
    expect(await installation.volumes(user)).toHaveLength(1)
  })

  test('whose server was killed gets 404 for the old session, and in a new one finds files and processes as they were', async () => {
    const user = installation.newUser()
    const killed = await forUsers()
    const client = await openHttp('HTTP, 2025-11-25', killed.address, { [USER_HEADER]: user })
    const caller = new ConnectedCaller(user, client)
    await caller.output('echo kept > file')
    await startInBackground(caller, 'sleep 3600')
    const [container] = await installation.containers(user)
    const session = await new WireClient(killed.address).initialize({ [USER_HEADER]: user })
    await killed.kill('SIGKILL')

    await using next = await forUsers()
    const { address } = next
    const old = new WireClient(address)
    old.session = session
    expect(await old.post(EXEC('true'), { [USER_HEADER]: user })).toMatchObject({
      status: 404,
      messages: [{ error: { code: -32_001 } }],
    })
    await using again = new ConnectedCaller(user, await openHttp('HTTP, 2025-11-25', address, { [USER_HEADER]: user }))
    const { stdout, notice } = await again.exec('cat file')
    expect({ stdout, notice }).toEqual({ stdout: 'kept\n', notice: undefined })
    expect(await runningCommands(again)).toEqual(['sleep 3600'])
    expect(await installation.containers(user)).toMatchObject([{ id: container?.id }])
  })
})

describe('a stream that is dropped in the middle of a command', () => {
  test('is resumed with the command’s answer, which runs once', async () => {
    const user = installation.newUser()
    await using http = await forUsers()
    const client = new WireClient(http.address, undefined, '2025-11-25')
    const as = { [USER_HEADER]: user, 'Content-Type': 'application/json' }
    await client.initialize(as)
    await client.post(EXEC('true'), as)
    const stream = new WireStream(await client.send('POST', as, EXEC('echo once >> runs; sleep 2; echo done', 2)))
    await expect.poll(() => /^id: (\S+)$/m.exec(stream.text)?.[1], { timeout: 10_000 }).toBeDefined()
    const lastEventId = /^id: (\S+)$/m.exec(stream.text)?.[1] ?? ''
    await stream.cancel()
    const resumed = new WireStream(await client.send('GET', { ...as, 'Last-Event-ID': lastEventId }))
    await resumed.ended
    expect(JSON.parse(resumed.events.at(-1)?.data ?? '')).toMatchObject({
      id: 2,
      result: { structuredContent: { stdout: 'done\n', exit_code: 0 } },
    })
    expect(stdoutOf(await client.post(EXEC('cat runs', 3), as))).toBe('once\n')
  })
})

describe('a caller without a name', () => {
  test('has a sandbox for each session, which no other session reaches, and which goes with it', async () => {
    await using http = await forAnybody()
    const [one, two] = [new WireClient(http.address), new WireClient(http.address)]
    await one.initialize()
    await two.initialize()
    expect(await anonymousThings()).toEqual([])
    expect(stdoutOf(await one.post(EXEC('echo secret > s; ls')))).toBe('s\n')
    expect(stdoutOf(await two.post(EXEC('ls')))).toBe('')
    expect(await anonymousThings()).toHaveLength(2 * THINGS)
    await one.delete()
    await expect.poll(anonymousThings, { timeout: 20_000 }).toHaveLength(THINGS)
    expect(stdoutOf(await two.post(EXEC('echo still here')))).toBe('still here\n')
    await two.delete()
    await expect.poll(anonymousThings, { timeout: 20_000 }).toEqual([])
  })

  test('loses it when an SSE stream ends, when idle, and when the server stops', async () => {
    {
      await using http = await forAnybody({ SANDBOX_SESSION_IDLE: '2s' })
      const sse = await openHttp('HTTP+SSE', http.address, {})
      await sse.callTool('shell_exec', { command: 'true' })
      expect(await anonymousThings()).toHaveLength(THINGS)
      await sse.close()
      await expect.poll(anonymousThings, { timeout: 20_000 }).toEqual([])

      const idle = new WireClient(http.address)
      await idle.initialize()
      await idle.post(EXEC('true'))
      await expect.poll(anonymousThings, { timeout: 20_000 }).toEqual([])
      expect(await idle.post(EXEC('true'))).toMatchObject({ status: 404 })

      const last = new WireClient(http.address)
      await last.initialize()
      await last.post(EXEC('true'))
    }
    expect(await anonymousThings()).toEqual([])
  })

  test('of a server that was killed leaves what the next server sweeps, and not what a server that lives uses', async () => {
    await using living = await forAnybody()
    const stays = new WireClient(living.address)
    await stays.initialize()
    await stays.post(EXEC('echo mine > file'))
    const kept = await anonymousThings()
    const killed = await forAnybody()
    const lost = new WireClient(killed.address)
    await lost.initialize()
    await lost.post(call('shell_exec', { command: 'sleep 3600', wait_s: 0 }))
    expect(await anonymousThings()).toHaveLength(2 * THINGS)
    await killed.kill('SIGKILL')

    await using next = await forAnybody()
    await expect.poll(anonymousThings, { timeout: 60_000 }).toEqual(kept)
    // Whichever of the two looked first.
    const said = () => [living, next].flatMap(({ log }) => log.map(({ msg }) => msg))
    await expect.poll(said).toContain('removed sandboxes of sessions whose server is gone')
    expect(stdoutOf(await stays.post(EXEC('cat file')))).toBe('mine\n')
  })

  test('of protocol 2026-07-28 on loopback is the configured user', async () => {
    const user = installation.newUser()
    await using http = await forAnybody({ SANDBOX_USER: user })
    await using stdio = await openLeg('stdio, 2025-11-25', {
      installation: installation.name,
      user,
      address: http.address,
    })
    await stdio.output('echo mine > file')
    const client = await openHttp('HTTP, 2026-07-28', http.address, {})
    const result = await client.callTool('shell_exec', { command: 'cat file' })
    expect(result.structuredContent).toMatchObject({ stdout: 'mine\n' })
  })
})

test('connecting, listing and discovering start no container', async () => {
  await using http = await forAnybody()
  const client = new WireClient(http.address)
  const discover = modern('server/discover')
  const headers = { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'server/discover' }
  expect(await client.post(discover, headers)).toMatchObject({ status: 200 })
  await client.initialize()
  for (const method of ['tools/list', 'resources/list', 'resources/templates/list', 'ping'])
    expect(await client.post({ jsonrpc: '2.0', id: 1, method })).toMatchObject({ status: 200 })
  await client.delete()
  expect(await anonymousThings()).toEqual([])
})

// LD05
test('another 500 sessions that were opened and ended, on every leg and in every way, leave no file open and no memory taken', async () => {
  await using server = await forUsers({
    SANDBOX_MAX_SESSIONS_PER_USER: '20',
    // What is young is thrown away early, so that what stays shows.
    NODE_OPTIONS: '--max-semi-space-size=1',
  })
  const { address } = server
  const as = { [USER_HEADER]: installation.newUser(), 'Content-Type': 'application/json' }
  const round = async (at: number) => {
    const client = new WireClient(address)
    if (at % 5 === 0) {
      const stream = new WireStream(await client.send('GET', as, undefined, '/sse'))
      await stream.firstEvent
      return stream.cancel()
    }
    await client.initialize(as)
    await client.post({ jsonrpc: '2.0', id: 1, method: 'tools/list' }, as)
    if (at % 5 === 1) {
      // Ends without a word, in the middle of its stream.
      const stream = new WireStream(await client.send('GET', as))
      return stream.cancel()
    }
    // Some close their session, some leave it to give way.
    if (at % 5 < 4) await client.send('DELETE', as)
  }
  const rounds = async (count: number) => {
    for (let at = 0; at < count; at += 10) await Promise.all(Array.from({ length: 10 }, (_, by) => round(at + by)))
  }
  await rounds(500)
  const [files, bytes] = [server.openFiles, server.residentBytes]
  await rounds(500)
  // Idle connections of the client's own pool stay open.
  await expect.poll(() => server.openFiles, { timeout: 20_000 }).toBeLessThanOrEqual(files + 10)
  expect(server.residentBytes - bytes).toBeLessThan(64 * 1024 ** 2)
  expect(server.log.filter(({ level }) => level > 30)).toEqual([])
})
