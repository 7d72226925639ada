import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, type ExpectStatic, test } from 'vitest'
import { callContainerLabels } from '../../src/registry/modes/call-containers.ts'
import { useInstallation } from '../helpers/installation.ts'
import { foreignContainer, rawDocker } from '../helpers/raw-docker.ts'
import { run } from '../helpers/run-cli.ts'
import { temporaryDirectory } from '../helpers/temporary-directory.ts'
import { TEST_LABEL } from '../helpers/test-label.ts'

const installation = useInstallation()
const FOREIGN = { [TEST_LABEL]: installation.name }

afterAll(async () => {
  for (const { id } of await installation.engine.containers.list(FOREIGN))
    await installation.engine.containers.remove(id)
})

/** A directory of a person's, who is not root. */
async function projectDirectory(): Promise<string> {
  const directory = temporaryDirectory()
  await chmod(directory, 0o755)
  if (process.getuid?.() === 0) await chown(directory, 1234, 1234)
  return directory
}

function callContainers(user: string) {
  const labels = callContainerLabels(installation.name, installation.identityOf(user).userHash)
  return installation.engine.containers.list(labels)
}

describe.concurrent('mode ephemeral', () => {
  const env = { SANDBOX_MODE: 'ephemeral' }

  test('nothing but the files outlives a call, and the result says so', async ({ expect }) => {
    const user = installation.newUser()
    await using server = await installation.start({ user, env })
    const first = await server.exec('echo kept > file; echo lost > /tmp/lost; sleep 300 & hostname; echo $$')
    expect(first).toMatchObject({ exit_code: 0 })
    expect(first).not.toHaveProperty('process_id')
    const second = await server.exec('cat file; ls /tmp/lost; pgrep sleep; echo done')
    expect(second.stdout).toBe('kept\ndone\n')
    expect(await installation.containers(user)).toEqual([])
  })

  test('calls at once have containers of their own, and none is left when the server ends', async ({ expect }) => {
    const user = installation.newUser()
    {
      await using server = await installation.start({ user, env })
      const outputs = await Promise.all(
        // Each waits for the others, so that they run at once however long one of the containers takes.
        ['a', 'b', 'c'].map((name) =>
          server.exec(
            `echo ${name} > /tmp/mine; touch ${name}; until [ -e a -a -e b -a -e c ]; do sleep 0.05; done; cat /tmp/mine`,
          ),
        ),
      )
      expect(outputs.map(({ stdout }) => stdout)).toEqual(['a\n', 'b\n', 'c\n'])
      expect((await server.exec('ls')).stdout).toBe('a\nb\nc\n')
    }
    expect(await callContainers(user)).toEqual([])
  })

  test('a command is waited for, nothing runs in the background, and an id of an earlier call is unknown', async ({
    expect,
  }) => {
    await using server = await installation.start({ user: installation.newUser(), env })
    const slow = await server.exec('sleep 2; echo slept', { wait_s: 1 })
    expect(slow).toMatchObject({ status: 'exited', stdout: 'slept\n' })
    const background = await server.call('shell_exec', { command: 'sleep 5', wait_s: 0 })
    expect(background.isError).toBe(true)
    expect(background.text).toContain('Nothing runs on in the background here')
    const earlier = await server.call('process_read', { process_id: 'abc-1' })
    expect(earlier.text).toContain('end with the call that started them')
  })

  test('the operator’s exec stays with its command to the end, and passes its output and exit code on', async ({
    expect,
  }) => {
    const user = installation.newUser()
    const words = ['exec', user, '--', 'echo before; sleep 1; echo after; exit 3']
    const ran = await run(words, { ...env, SANDBOX_INSTALLATION: installation.name })
    expect(ran).toEqual({ code: 3, stdout: 'before\nafter\n', stderr: '' })
    expect(await callContainers(user)).toEqual([])
  })

  test('what a server that was killed left is swept away by the next', async ({ expect }) => {
    const user = installation.newUser()
    let orphans: readonly string[] = []
    {
      await using killed = await installation.start({ user, env })
      const cut = killed.exec('sleep 60').catch(() => undefined)
      await expect
        .poll(async () => (orphans = (await callContainers(user)).map(({ id }) => id)), { timeout: 60_000 })
        .not.toEqual([])
      killed.kill('SIGKILL')
      await cut
    }
    await using next = await installation.start({ user, env })
    await expect
      .poll(async () => (await callContainers(user)).filter(({ id }) => orphans.includes(id)), {
        timeout: 60_000,
        interval: 500,
      })
      .toEqual([])
    expect((await next.exec('echo well')).stdout).toBe('well\n')
  })
})

describe.concurrent('mode bind', () => {
  test('the workspace is the directory, what is written is its owner’s, and no tool empties it', async ({ expect }) => {
    const directory = await projectDirectory()
    await writeFile(join(directory, 'given'), 'from the host\n', { mode: 0o644 })
    const { uid, gid } = await stat(directory)
    const user = installation.newUser()
    await using server = await installation.start({ user, env: { SANDBOX_WORKSPACE: directory } })
    const { stdout } = await server.exec('cat given; echo made > made; id -u; id -g')
    expect(stdout).toBe(`from the host\n${uid}\n${gid}\n`)
    expect(await readFile(join(directory, 'made'), 'utf8')).toBe('made\n')
    expect(await stat(join(directory, 'made'))).toMatchObject({ uid, gid })

    const reset = await server.call('sandbox_manage', { action: 'reset', keep_files: false })
    expect(reset.text).toContain('mode_refused')
    const destroyed = await server.call('sandbox_manage', { action: 'destroy' })
    expect(destroyed.structured).toMatchObject({ files_kept: true })
    expect(await readFile(join(directory, 'made'), 'utf8')).toBe('made\n')
    expect(await installation.containers(user)).toEqual([])
    expect(await installation.volumes(user)).toEqual([])
    expect((await server.exec('cat made')).stdout).toBe('made\n')
  })

  test('nothing of the host but the directory is inside', async ({ expect }) => {
    const directory = await projectDirectory()
    const inner = join(directory, 'inner')
    await mkdir(inner)
    const secret = join(temporaryDirectory(), 'secret')
    await writeFile(secret, 'not for sandboxes', { mode: 0o644 })
    const user = installation.newUser()
    await using server = await installation.start({ user, env: { SANDBOX_WORKSPACE: directory } })
    const { stdout } = await server.exec(
      `ln -s ${secret} out; cat out; cat ../../${secret}; grep -c ' /workspace ' /proc/self/mountinfo; mv /workspace /x; rm -rf /workspace/.. ; true`,
    )
    expect(stdout).toBe('1\n')
    const [container] = await installation.containers(user)
    const { effective } = (await installation.engine.containers.inspect(container?.id ?? '')) ?? {}
    expect(effective?.mounts).toEqual([
      { type: 'bind', name: directory, target: '/workspace', readOnly: false, propagation: 'rprivate' },
    ])
  })
})

describe.concurrent('mode attach', () => {
  const attached = async (expect: ExpectStatic, host = {}) => {
    const name = `attached-${randomBytes(6).toString('hex')}`
    const id = await foreignContainer(installation.address, { labels: FOREIGN, name, host })
    expect(id).toBeDefined()
    return { id, name, env: { SANDBOX_ATTACH: name, SANDBOX_WORKSPACE: '/tmp' } }
  }
  const inspect = (id: string) => rawDocker(installation.address).getContainer(id).inspect()

  test('works in a container that runs, as a user that is not root, and leaves it as it is', async ({ expect }) => {
    const { id, env } = await attached(expect)
    const before = await inspect(id)
    const user = installation.newUser()
    {
      await using server = await installation.start({ user, env })
      const { stdout } = await server.exec('id -u; pwd; echo here > mark; cat /proc/1/comm')
      expect(stdout).toMatch(/^1000\n\/tmp\n(docker-init|tini|sleep)\n$/)
      await server.call('write_file', { path: 'written', content: 'text' })
      expect((await server.exec('cat written')).stdout).toBe('text')
      const info = await server.call('sandbox_info', {})
      expect(info.structured).toMatchObject({ mode: 'attach', runtime: 'attached' })
      for (const args of [{ action: 'destroy' }, { action: 'reset', keep_files: false }]) {
        expect((await server.call('sandbox_manage', args)).text).toContain('mode_refused')
      }
    }
    const after = await inspect(id)
    expect(after.State).toMatchObject({ Running: true, Pid: before.State.Pid, StartedAt: before.State.StartedAt })
    expect(await installation.containers(user)).toEqual([])
    expect(await installation.volumes(user)).toEqual([])
  })

  test('another server finds what the first one started; a restart ends that and nothing else', async ({ expect }) => {
    const { id, env } = await attached(expect)
    const user = installation.newUser()
    let processId: unknown
    {
      await using first = await installation.start({ user, env })
      processId = (await first.exec('sleep 300', { wait_s: 0 })).process_id
    }
    await using second = await installation.start({ user, env })
    const read = await second.call('process_read', { process_id: processId })
    expect(read.structured).toMatchObject({ status: 'running' })
    await second.call('sandbox_manage', { action: 'restart' })
    expect((await second.exec('pgrep -u 1000 sleep; true')).stdout).toBe('')
    expect((await inspect(id)).State.Running).toBe(true)
  })

  test('when the container was started again, the supervisor is put in again', async ({ expect }) => {
    const { id, env } = await attached(expect)
    await using server = await installation.start({ user: installation.newUser(), env })
    await server.exec('true')
    await rawDocker(installation.address).getContainer(id).restart({ t: 0 })
    const again = await server.exec('echo again')
    expect(again).toMatchObject({ stdout: 'again\n' })
    expect(again.notice).toContain('recreated')
  })

  test('is told plainly when the container does not run, or cannot take the supervisor', async ({ expect }) => {
    const { id, env } = await attached(expect)
    const readOnly = await attached(expect, { ReadonlyRootfs: true })
    await rawDocker(installation.address).getContainer(id).pause()
    for (const [settings, told] of [
      [env, 'it is paused'],
      [{ ...env, SANDBOX_ATTACH: 'no-such-container' }, 'it is not there'],
      [readOnly.env, 'read-only'],
    ] as const) {
      await using server = await installation.start({ user: installation.newUser(), env: settings })
      const result = await server.call('shell_exec', { command: 'true' })
      expect(result.isError).toBe(true)
      expect(result.text).toContain(told)
    }
    expect((await inspect(id)).State.Paused).toBe(true)
    await rawDocker(installation.address).getContainer(id).unpause()
  })
})
