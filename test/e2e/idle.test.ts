import { describe, type ExpectStatic, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { commandLinesWith, startInBackground, untilPrinted } from '../helpers/processes.ts'

const installation = useInstallation()
/** In which no other server lives that would remove what has ended. */
const lonely = useInstallation()
const SHORT = { SANDBOX_IDLE_TIMEOUT: '1s' }

/** Resolves when the user's container is gone. */
async function asleep(expect: ExpectStatic, user: string): Promise<void> {
  await expect.poll(() => installation.containers(user), { timeout: 60_000, interval: 100 }).toEqual([])
}

/** One line for each entry of the workspace with all that a copy could lose. */
const TREE = `find . -printf '%p|%y|%m|%U|%s|%T@|%l\\n' | LC_ALL=C sort; find . -type f -exec sha256sum {} + | LC_ALL=C sort`

const PLANT = `
mkdir -p src/deep .hidden && printf 'a\\0b\\377' > src/deep/binary && : > empty && echo text > 'name with
newline' && echo run > tool && chmod 750 tool && chmod 640 src/deep/binary && ln -s src/deep link && ln -s nowhere dangling
ln tool hard; mkfifo pipe; chmod 711 src; touch -d '2001-02-03 04:05:06.123456789' empty src/deep src .hidden`

describe.concurrent('a sandbox that nobody uses', () => {
  // LC06, DD10
  test('is put to sleep and wakes with every file, mode and time', async ({ expect }) => {
    const user = installation.newUser()
    await using server = await installation.start({ user, env: SHORT })
    await server.output(PLANT)
    const before = await server.output(TREE)
    await asleep(expect, user)
    expect(await installation.volumes(user)).toHaveLength(1)
    const { stdout, notice } = await server.exec(TREE)
    expect(notice).toBe('sandbox resumed: files kept, processes lost')
    expect(stdout).toBe(`${before}\n`)
  })

  // LC08
  test('is put to sleep although a daemon was left behind, and the notice says that it is lost', async ({ expect }) => {
    const user = installation.newUser()
    await using server = await installation.start({ user, env: SHORT })
    await server.exec('setsid sleep 3600 >/dev/null 2>&1 </dev/null &')
    expect(await commandLinesWith(server, 'sleep 3600')).toEqual(['sleep 3600'])
    await asleep(expect, user)
    const answer = await server.call('shell_exec', { command: 'ls -A' })
    expect(answer.structured.notice).toContain('processes lost')
    expect(answer.text).toContain('processes lost')
    expect(await commandLinesWith(server, 'sleep 3600')).toEqual([])
  })

  test('of a dead server ends by itself after twice the idle timeout, and the next call wakes it', async ({
    expect,
  }) => {
    const user = lonely.newUser()
    const killed = await lonely.start({ user, env: SHORT })
    await killed.output('echo kept > file')
    killed.kill('SIGKILL')
    await killed.exited
    await expect
      .poll(() => lonely.containers(user), { timeout: 60_000, interval: 100 })
      .toMatchObject([{ state: 'exited' }])
    await using next = await lonely.start({ user })
    expect(await next.exec('cat file')).toMatchObject({ stdout: 'kept\n', notice: expect.stringContaining('resumed') })
  })
})

describe.concurrent('work in flight', () => {
  // LC05
  test('keeps the sandbox awake while a command runs', async ({ expect }) => {
    const user = installation.newUser()
    await using server = await installation.start({ user, env: SHORT })
    expect(await server.exec('sleep 4; echo done')).toMatchObject({ status: 'exited', stdout: 'done\n' })
    await asleep(expect, user)
  })

  test('keeps the sandbox awake while a process runs in the background', async ({ expect }) => {
    const user = installation.newUser()
    await using server = await installation.start({ user, env: SHORT })
    await startInBackground(server, 'sleep 4; echo done > result')
    await asleep(expect, user)
    expect(await server.output('cat result')).toBe('done')
  })

  test('of one server is not ended by another one that sees the sandbox idle', async ({ expect }) => {
    const user = installation.newUser()
    await using eager = await installation.start({ user, env: SHORT })
    await using other = await installation.start({ user })
    const id = await startInBackground(other, 'echo began; sleep 4; echo ended')
    await eager.exec('true')
    const { structured } = await other.call('process_read', {
      process_id: id,
      until: 'ended',
      wait_s: 50,
      since: '0:0',
    })
    expect(structured).toMatchObject({ until_met: true, stdout: 'began\nended\n' })
    await asleep(expect, user)
  })
})

test('calls of another server that race with evictions are all answered, and find their files', async ({ expect }) => {
  const user = installation.newUser()
  await using eager = await installation.start({ user, env: { SANDBOX_IDLE_TIMEOUT: '1s' } })
  await using other = await installation.start({ user })
  await eager.exec('true')
  for (let round = 0; round < 3; round++) {
    await asleep(expect, user)
    // The one that still holds the old connection, and the one that evicted, at the same time.
    const outputs = await Promise.all([
      other.output(`echo ${round} >> rounds; wc -l < rounds`),
      eager.output('echo here'),
    ])
    expect(outputs).toEqual([String(round + 1), 'here'])
  }
})

test('a server with idle timeout 0 never puts a sandbox to sleep', async ({ expect }) => {
  const user = installation.newUser()
  await using never = await installation.start({ user, env: { SANDBOX_IDLE_TIMEOUT: '0' } })
  const id = await startInBackground(never, 'echo up; exec cat')
  await untilPrinted(never, id, 'up')
  const container = await installation.engine.containers.inspect(installation.identityOf(user).containerName)
  expect(container?.state).toBe('running')
})
