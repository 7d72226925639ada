import { describe, type ExpectStatic, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { commandLinesWith, midCommand, startInBackground } from '../helpers/processes.ts'

const installation = useInstallation()
const FREEZES = { SANDBOX_FREEZE_AFTER: '1s' }
const THAWED = 'sandbox thawed: files and processes as they were'

/** Resolves when the user's container is in this state; undefined: gone. */
async function untilState(expect: ExpectStatic, user: string, state: string | undefined): Promise<void> {
  const now = async () => (await installation.containers(user))[0]?.state
  await expect.poll(now, { timeout: 60_000, interval: 50 }).toBe(state)
}

async function pause(user: string): Promise<void> {
  for (const { id } of await installation.containers(user)) await installation.engine.containers.pause(id)
}

describe.concurrent('a sandbox that nobody uses', () => {
  // LC08
  test('is frozen, and thaws with its files, its memory and the daemon that was left behind', async ({ expect }) => {
    const user = installation.newUser()
    await using server = await installation.start({ user, env: FREEZES })
    await server.exec('echo kept > /tmp/file; setsid sleep 3601 >/dev/null 2>&1 </dev/null &')
    await untilState(expect, user, 'paused')
    const { stdout, notice } = await server.exec('cat /tmp/file')
    expect({ stdout, notice }).toEqual({ stdout: 'kept\n', notice: THAWED })
    expect(await commandLinesWith(server, 'sleep 3601')).toEqual(['sleep 3601'])
  })

  test('goes from frozen to evicted, and wakes with its files', async ({ expect }) => {
    const user = installation.newUser()
    await using server = await installation.start({ user, env: { ...FREEZES, SANDBOX_IDLE_TIMEOUT: '3s' } })
    await server.exec('echo kept > file')
    await untilState(expect, user, 'paused')
    await untilState(expect, user, undefined)
    const { stdout, notice } = await server.exec('cat file')
    expect(stdout).toBe('kept\n')
    expect(notice).toContain('resumed')
  })

  test('is evicted by a server that ends, also frozen, if it is to leave none', async ({ expect }) => {
    const user = installation.newUser()
    const server = await installation.start({ user, env: { ...FREEZES, SANDBOX_ON_EXIT: 'evict' } })
    await server.exec('true')
    await untilState(expect, user, 'paused')
    await server[Symbol.asyncDispose]()
    expect(await installation.containers(user)).toEqual([])
    expect(await installation.volumes(user)).toHaveLength(1)
  })

  test('of a server that was killed is thawed by the next one’s call', async ({ expect }) => {
    const user = installation.newUser()
    const killed = await installation.start({ user, env: FREEZES })
    await killed.exec('echo kept > /tmp/file')
    await untilState(expect, user, 'paused')
    killed.kill('SIGKILL')
    await killed.exited
    await using next = await installation.start({ user })
    expect(await next.exec('cat /tmp/file')).toMatchObject({ stdout: 'kept\n', notice: THAWED })
  })
})

describe.concurrent('work in flight', () => {
  // LC05
  test('is not frozen: a process in the background runs to its end', async ({ expect }) => {
    const user = installation.newUser()
    await using server = await installation.start({ user, env: FREEZES })
    const before = Date.now()
    await startInBackground(server, 'sleep 4; date +%s%3N > ended')
    await untilState(expect, user, 'paused')
    const ended = Number(await server.output('cat ended'))
    expect(ended).toBeLessThan(Date.now())
    expect(ended).toBeGreaterThan(before + 3900)
  })

  // LC12
  test('that somebody pauses goes on: the server thaws what its calls wait for', async ({ expect }) => {
    const user = installation.newUser()
    await using server = await installation.start({ user })
    const { answer } = await midCommand(server, 'until [ -e go ]; do sleep 0.1; done; echo went')
    await pause(user)
    await untilState(expect, user, 'running')
    await server.exec('touch go')
    expect((await answer).structured).toMatchObject({ status: 'exited', exit_code: 0, stdout: 'went\n' })
  })
})

// LC12
test('a sandbox that somebody paused while it was idle is thawed by the next call', async ({ expect }) => {
  const user = installation.newUser()
  await using server = await installation.start({ user })
  await server.exec('echo kept > /tmp/file')
  await pause(user)
  expect(await server.output('cat /tmp/file')).toBe('kept')
})

test('two servers of which one freezes answer every call, whoever froze what the other wants', async ({ expect }) => {
  const user = installation.newUser()
  await using freezing = await installation.start({ user, env: FREEZES })
  await using other = await installation.start({ user })
  await freezing.exec('echo kept > /tmp/file')
  for (let round = 0; round < 2; round++) {
    expect(await other.output('cat /tmp/file')).toBe('kept')
    await untilState(expect, user, 'paused')
  }
  const outputs = await Promise.all([other.output('cat /tmp/file'), freezing.output('cat /tmp/file')])
  expect(outputs).toEqual(['kept', 'kept'])
})
