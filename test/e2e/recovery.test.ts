import { describe, type ExpectStatic, test } from 'vitest'
import { findContainer, resolveOwner } from '../../src/registry/owner.ts'
import { useInstallation } from '../helpers/installation.ts'
import { SUPERVISOR_PATH } from '../../src/supervisor/protocol.ts'
import { commandLinesWith, startInBackground } from '../helpers/processes.ts'
import { rawDocker } from '../helpers/raw-docker.ts'
import type { TestServer } from '../helpers/start-server.ts'
import { run } from '../helpers/stream.ts'

const installation = useInstallation()
const docker = rawDocker(installation.address)

/** The user's container as the engine tells of it. */
async function containerOf(user: string) {
  const found = await findContainer(
    installation.engine,
    await resolveOwner(installation.engine, installation.identityOf(user)),
  )
  if (!found) throw new Error(`${user} has no container`)
  return found
}

/** A user with a file and a process, whose server was killed. */
async function orphaned(env: Readonly<Record<string, string>> = {}): Promise<string> {
  const user = installation.newUser()
  const server = await installation.start({ user, env })
  await server.output('echo kept > file')
  await startInBackground(server, 'sleep 3600')
  await killed(server)
  return user
}

async function killed(server: TestServer): Promise<void> {
  server.kill('SIGKILL')
  await server.exited
}

/** Steps of the recovery that a server logged, and whether each helped. */
const stepsOf = (server: TestServer) =>
  server.log.flatMap(({ step, msg }) => (step === undefined ? [] : [[step, msg === 'the sandbox answers again']]))

describe.concurrent('a sandbox that does not answer', () => {
  test('because its supervisor was stopped from outside is restarted in its container, and its user told', async ({
    expect,
  }) => {
    const user = await orphaned()
    const before = await containerOf(user)
    const { State } = await docker.getContainer(before.id).inspect()
    process.kill(State.Pid, 'SIGSTOP')
    await using next = await installation.start({ user })
    expect(await next.exec('cat file')).toMatchObject({
      stdout: 'kept\n',
      notice: expect.stringContaining('processes lost'),
    })
    expect(stepsOf(next)).toEqual([
      ['kill', false],
      ['restart', true],
    ])
    expect(await containerOf(user)).toMatchObject({ id: before.id, state: 'running' })
  })

  test('while a fork bomb takes every process is reached by the next server, and a restart ends the bomb', async ({
    expect,
  }) => {
    const user = installation.newUser()
    const env = { SANDBOX_PIDS: '64' }
    const server = await installation.start({ user, env })
    await server.output('echo kept > file')
    await startInBackground(server, 'bomb() { bomb | bomb & }; while :; do bomb; done')
    await fullOf(expect, user, 60)
    await killed(server)
    await using next = await installation.start({ user, env })
    expect(await next.refusal('shell_exec', { command: 'true' })).toMatch(/^sandbox_limit: /)
    await next.call('sandbox_manage', { action: 'restart' })
    expect(await next.exec('cat file')).toMatchObject({ stdout: 'kept\n' })
    expect(await installation.containers(user)).toHaveLength(1)
  })

  test('for a hog of memory or not: the next server’s call works', async ({ expect }) => {
    const user = installation.newUser()
    const env = { SANDBOX_MEMORY: '128MiB' }
    const server = await installation.start({ user, env })
    await server.output('echo kept > file')
    await startInBackground(
      server,
      'while :; do python3 -c "x = bytearray(10**9); x[::4096] = bytes(len(x[::4096]))"; done',
    )
    await killed(server)
    await using next = await installation.start({ user, env })
    expect(await next.exec('cat file')).toMatchObject({ stdout: 'kept\n' })
  })
})

test('the program beside the supervisor ends every process of the user, and neither the supervisor nor its bridges', async ({
  expect,
}) => {
  await using server = await installation.start({ user: installation.newUser() })
  await server.exec('setsid sleep 3600 >/dev/null 2>&1 </dev/null &')
  await startInBackground(server, 'sleep 3601')
  const { id, effective } = await containerOf(server.user)
  const uid = Number(effective.user.split(':')[0])
  const before = (await containerOf(server.user)).startedAtMs
  const { error, stderr } = await run(installation.engine.containers, id, { command: [SUPERVISOR_PATH, 'kill'], uid })
  expect({ error, stderr }).toEqual({ error: undefined, stderr: '' })
  expect(await commandLinesWith(server, 'sleep 36')).toEqual([])
  expect((await containerOf(server.user)).startedAtMs).toBe(before)
  expect(await server.output('echo answers')).toBe('answers')
})

/** Resolves when so many processes are in the user's container. */
async function fullOf(expect: ExpectStatic, user: string, count: number): Promise<void> {
  const { id } = await containerOf(user)
  const processes = async () => ((await docker.getContainer(id).top()).Processes ?? []).length
  await expect.poll(processes, { timeout: 30_000 }).toBeGreaterThanOrEqual(count)
}

describe.concurrent('another server of the installation', () => {
  test('removes what a killed one left once it has ended, and nothing of a living one', async ({ expect }) => {
    const env = { SANDBOX_IDLE_TIMEOUT: '1s' }
    const user = installation.newUser()
    const server = await installation.start({ user, env })
    await server.output('echo kept > file')
    await using living = await installation.start({ user: installation.newUser(), env })
    // In use, for longer than the other's idle time.
    const busy = await startInBackground(living, 'sleep 3600')
    const before = await containerOf(living.user)
    await killed(server)
    await expect.poll(() => installation.containers(user), { timeout: 60_000, interval: 200 }).toEqual([])
    expect(await installation.volumes(user)).toHaveLength(1)
    expect(await containerOf(living.user)).toMatchObject({ id: before.id, state: 'running' })
    expect((await living.call('process_read', { process_id: busy })).structured.status).toBe('running')
  })

  test('with other limits changes them in place, and what runs goes on', async ({ expect }) => {
    const user = await orphaned({ SANDBOX_MEMORY: '256MiB', SANDBOX_PIDS: '100', SANDBOX_CPUS: '1' })
    const before = await containerOf(user)
    await using next = await installation.start({
      user,
      env: { SANDBOX_MEMORY: '300MiB', SANDBOX_PIDS: '120', SANDBOX_CPUS: '0.5' },
    })
    expect((await next.exec('cat file')).notice).toBeUndefined()
    const after = await containerOf(user)
    expect(after.id).toBe(before.id)
    expect(after.effective).toMatchObject({
      memoryBytes: 300 * 1024 ** 2,
      memorySwapBytes: 300 * 1024 ** 2,
      pids: 120,
      nanoCpus: 0.5e9,
    })
    const limits = 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || :'
    expect(await next.output(limits)).toBe(String(300 * 1024 ** 2))
  })

  test('sees at once that a sandbox was frozen in the middle of a call, and thaws it', async ({ expect }) => {
    await using server = await installation.start({ user: installation.newUser() })
    await server.exec('mkfifo gate')
    const answer = server.call('shell_exec', { command: 'echo began > began; cat gate' })
    await expect.poll(async () => (await server.exec('cat began')).stdout).toBe('began\n')
    const { id } = await containerOf(server.user)
    await docker.getContainer(id).pause()
    const state = async () => (await installation.engine.containers.inspect(id))?.state
    // Long before the silence of its supervisor would tell.
    await expect.poll(state, { timeout: 2500, interval: 50 }).toBe('running')
    await server.exec('echo open > gate')
    expect((await answer).structured).toMatchObject({ status: 'exited', stdout: 'open\n' })
    expect(server.log.map(({ msg }) => msg)).toContain('the sandbox was frozen from outside')
  })
})
