import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { midCommand, runningCommands, startInBackground } from '../helpers/processes.ts'
import { startSocketProxy } from '../helpers/socket-proxy.ts'
import { type Exit, type TestServer, TestServer as Server } from '../helpers/start-server.ts'

/** What the server promises, and a second for the machine to be busy elsewhere. */
const EXIT_MS = 6000

const installation = useInstallation()

/** How the server ends within the time that it promises. */
async function ending(server: TestServer): Promise<Exit> {
  const late = new AbortController()
  const tooLate = delay(EXIT_MS, undefined, { signal: late.signal }).then(() => {
    server.kill('SIGKILL')
    throw new Error(`still there after ${EXIT_MS} ms:\n${server.stderr}`)
  })
  try {
    return await Promise.race([server.exited, tooLate])
  } finally {
    tooLate.catch(() => {})
    late.abort()
  }
}

const CLEAN: Exit = { code: 0, signal: null }

/** Ways in which a client ends a server. TS24, LC20 */
const WAYS: readonly (readonly [string, (server: TestServer) => void])[] = [
  ['the end of stdin', (server) => server.endInput()],
  ['SIGTERM', (server) => server.kill('SIGTERM')],
  ['SIGINT', (server) => server.kill('SIGINT')],
  ['SIGHUP', (server) => server.kill('SIGHUP')],
]

describe.each(WAYS)('after %s', (_name, end) => {
  test('the server ends and leaves the sandbox, its processes and files', async () => {
    const user = installation.newUser()
    const server = await installation.start({ user })
    await server.output('echo kept > file')
    await startInBackground(server, 'sleep 3600')
    const { answer } = await midCommand(server, 'sleep 3601')
    end(server)
    expect(await ending(server)).toEqual(CLEAN)
    await answer.catch(() => {}) // answered or cut off: both are allowed here
    expect(server.foreignLines).toEqual([])

    await using next = await installation.start({ user })
    expect(await next.exec('cat file')).toMatchObject({ stdout: 'kept\n' })
    expect(await runningCommands(next)).toEqual(expect.arrayContaining(['sleep 3600', 'sleep 3601']))
  })

  test('the server puts an idle sandbox to sleep when SANDBOX_ON_EXIT says evict', async () => {
    const user = installation.newUser()
    const server = await installation.start({ user, env: { SANDBOX_ON_EXIT: 'evict' } })
    await server.output('echo kept > file')
    end(server)
    expect(await ending(server)).toEqual(CLEAN)
    expect(await installation.containers(user)).toEqual([])
    expect(await installation.volumes(user)).toHaveLength(1)
  })

  test('the server ends before any call, and no sandbox was made', async () => {
    const user = installation.newUser()
    const server = await installation.start({ user })
    await server.client.listTools()
    end(server)
    expect(await ending(server)).toEqual(CLEAN)
    expect(await installation.containers(user)).toEqual([])
    expect(await installation.volumes(user)).toEqual([])
  })

  // LC21, FD02
  test('the server ends while the engine hangs, with calls in flight and an eviction to do', async () => {
    const { socketPath = '' } = installation.address
    const hung = await startSocketProxy(socketPath, { stallAfterBytes: 0 })
    const user = installation.newUser()
    const server = await installation.start({
      user,
      env: { DOCKER_HOST: `unix://${hung.socketPath}`, SANDBOX_ON_EXIT: 'evict' },
    })
    const answer = server.call('shell_exec', { command: 'true' }).catch(() => 'cut off')
    await expect.poll(() => hung.connections).toBeGreaterThan(0)
    end(server)
    expect(await ending(server)).toMatchObject({ signal: null })
    await answer
    await hung.stop()
  })

  test('the server ends while its sandbox is frozen, with a call in flight and an eviction to do', async () => {
    const user = installation.newUser()
    const server = await installation.start({ user, env: { SANDBOX_ON_EXIT: 'evict' } })
    await server.exec('true')
    const { containerName } = installation.identityOf(user)
    await installation.engine.containers.pause(containerName)
    const answer = server.call('shell_exec', { command: 'true' }).catch(() => 'cut off')
    end(server)
    expect(await ending(server)).toMatchObject({ signal: null })
    await answer
    // Frozen still, or thawed for the call, or put to sleep after that.
    await installation.engine.containers.remove(containerName)
  })
})

test('a sandbox with work in flight is not put to sleep, whatever SANDBOX_ON_EXIT says', async () => {
  const user = installation.newUser()
  const server = await installation.start({ user, env: { SANDBOX_ON_EXIT: 'evict' } })
  await startInBackground(server, 'sleep 3600')
  server.endInput()
  expect(await ending(server)).toEqual(CLEAN)
  await using next = await installation.start({ user })
  expect(await runningCommands(next)).toEqual(['sleep 3600'])
})

test('a second SIGTERM ends a server at once that is still putting a sandbox to sleep', async () => {
  const { socketPath = '' } = installation.address
  const fault = { stallAfterBytes: 0 }
  const slow = await startSocketProxy(socketPath, { rules: [{ method: 'DELETE', path: /\/containers\//, fault }] })
  const user = installation.newUser()
  const server = await installation.start({
    user,
    env: { DOCKER_HOST: `unix://${slow.socketPath}`, SANDBOX_ON_EXIT: 'evict' },
  })
  await server.exec('true')
  server.kill('SIGTERM')
  await expect.poll(() => slow.requests.some(({ method }) => method === 'DELETE'), { timeout: 5000 }).toBe(true)
  const before = performance.now()
  server.kill('SIGTERM')
  expect(await ending(server)).toEqual({ code: 143, signal: null })
  expect(performance.now() - before).toBeLessThan(2000)
  await slow.stop()
})

// TS24
describe('at the end of stdin', () => {
  test('an answer that is under way is still written', async () => {
    const user = installation.newUser()
    const server = await installation.start({ user })
    await server.exec('true')
    const answer = server.call('shell_exec', { command: 'sleep 1; echo late' })
    server.endInput()
    expect((await answer).structured).toMatchObject({ stdout: 'late\n', exit_code: 0 })
    expect(await ending(server)).toEqual(CLEAN)
  })

  test('half a line before it is not answered and is no crash', async () => {
    const server = new Server({ installation: installation.name })
    let output = ''
    server.child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    server.child.stdin.end('{"jsonrpc":"2.0","id":1,"method":"pi')
    expect(await ending(server)).toEqual(CLEAN)
    expect(output).toBe('')
  })
})

test('a server whose stdout is closed by the client ends and leaves the sandbox', async () => {
  const user = installation.newUser()
  const server = await installation.start({ user })
  await server.output('echo kept > file')
  server.child.stdout.destroy()
  const answer = server.call('shell_exec', { command: 'true' })
  const settled = answer.catch(() => {})
  expect(await ending(server)).toMatchObject({ signal: null })
  await settled
  await using next = await installation.start({ user })
  const { stdout, notice } = await next.exec('cat file')
  expect({ stdout, notice }).toEqual({ stdout: 'kept\n', notice: undefined })
})
