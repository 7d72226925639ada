import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { run } from '../helpers/run-cli.ts'

const installation = useInstallation()

/** Runs an operator's command in this installation, with no server running. */
function operator(args: readonly string[], input?: string) {
  return run(args, { SANDBOX_INSTALLATION: installation.name }, input)
}

async function json(args: readonly string[]) {
  const { code, stdout, stderr } = await operator([...args, '--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

const idOf = (user: string) => `id:${installation.identityOf(user).userHash}`

describe('an operator without a server', () => {
  test('runs a command for a user, sees the sandbox, puts it to sleep, wakes it with its files, and destroys it', async () => {
    const user = installation.newUser()
    const written = await operator([
      'exec',
      user,
      '--',
      'sh',
      '-c',
      'echo kept > a.txt; echo out; echo err >&2; exit 3',
    ])
    expect(written).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' })
    expect(await json(['list'])).toContainEqual(
      expect.objectContaining({ id: idOf(user), state: 'ready', hasWorkspace: true }),
    )
    expect(await json(['show', user])).toMatchObject({ id: idOf(user), state: 'ready', use: { running: 0 } })

    const stopped = await operator(['stop', user])
    expect(stopped).toMatchObject({ code: 0, stdout: expect.stringContaining('files are kept') })
    expect(await installation.containers(user)).toEqual([])
    expect(await json(['show', idOf(user)])).toMatchObject({ state: 'evicted', containerId: null, use: null })
    expect(await operator(['exec', user, '--', 'cat a.txt'])).toMatchObject({ code: 0, stdout: 'kept\n' })

    const refused = await operator(['destroy', user])
    expect(refused).toMatchObject({ code: 64, stderr: expect.stringContaining('--yes') })
    expect(await installation.volumes(user)).toHaveLength(1)
    expect((await operator(['destroy', user, '--yes'])).code).toBe(0)
    expect(await installation.volumes(user)).toEqual([])
    expect(await installation.containers(user)).toEqual([])
  })

  test('sees what a server has done: the names that the configuration holds, commands and their output', async () => {
    const user = installation.newUser()
    await using server = await installation.start({ user })
    await server.exec('echo from the server')
    const listed = await run(['list', '--json', '--user', user], { SANDBOX_INSTALLATION: installation.name })
    expect(JSON.parse(listed.stdout)).toContainEqual(expect.objectContaining({ id: idOf(user), user }))
    const [command] = await json(['logs', user])
    expect(command).toMatchObject({ status: 'exited', exitCode: 0, command: 'echo from the server' })
    expect(await operator(['logs', user, command.id])).toEqual({ code: 0, stdout: 'from the server\n', stderr: '' })
  })

  test('follows a command until it ends', async () => {
    const user = installation.newUser()
    await using server = await installation.start({ user })
    const { process_id: id } = await server.exec('echo first; read line; echo "second $line"', { wait_s: 0 })
    const following = operator(['logs', user, id, '--follow'])
    await server.call('process_write', { process_id: id, input: 'told\n' })
    expect(await following).toEqual({ code: 0, stdout: 'first\nsecond told\n', stderr: '' })
  })

  test('puts no sandbox to sleep in which something runs, unless forced', async () => {
    const user = installation.newUser()
    await using server = await installation.start({ user })
    await server.exec('sleep 3600', { wait_s: 0 })
    const refused = await operator(['stop', user])
    expect(refused).toMatchObject({
      code: 75,
      stderr: expect.stringMatching(/^sandbox_busy: .*in use, by 1 command\./),
    })
    expect(await installation.containers(user)).toHaveLength(1)
    expect((await operator(['stop', user, '--force'])).code).toBe(0)
    expect(await installation.containers(user)).toEqual([])
  })

  test('gets the exit code of a command as a shell tells it, and passes standard input on when asked', async () => {
    const user = installation.newUser()
    expect((await operator(['exec', user, '--', 'kill -9 $$'])).code).toBe(128 + 9)
    expect(await operator(['exec', '-i', user, '--', 'cat'], 'piped\n')).toEqual({
      code: 0,
      stdout: 'piped\n',
      stderr: '',
    })
    expect((await operator(['exec', user, '--', 'no-such-program'])).code).toBe(127)
  })
})

describe('sizes', () => {
  test('are told of sandboxes that run, and of those that sleep, which go on sleeping', async () => {
    const user = installation.newUser()
    await operator(['exec', user, '--', 'head -c 3M /dev/urandom > data'])
    const size = { bytes: expect.any(Number), files: expect.any(Number), isAll: true }
    const running = await json(['show', user])
    expect(running).toMatchObject({ state: 'ready', size })
    expect(running.size.bytes).toBeGreaterThanOrEqual(3 * 1024 ** 2)
    expect((await operator(['stop', user])).code).toBe(0)
    expect(await json(['show', user])).toMatchObject({ state: 'evicted', size: running.size })
    expect(await json(['list', '--size'])).toContainEqual(
      expect.objectContaining({ id: idOf(user), state: 'evicted', size: running.size }),
    )
    expect((await operator(['list', '--size'])).stdout).toMatch(/evicted .* 3(\.\d)? MiB in \d+ files/)
    expect((await json(['list']))[0]).not.toHaveProperty('size')
    expect(await installation.containers(user)).toEqual([])
  })
})

test('prune shows what is left over, removes it when told to, and keeps every file', async () => {
  const user = installation.newUser()
  await operator(['exec', user, '--', 'echo kept > a.txt'])
  const [container] = await installation.containers(user)
  await installation.engine.containers.stop(container?.id ?? '')
  const ended = expect.objectContaining({ kind: 'ended containers', name: container?.name, gone: false })
  expect(await json(['prune'])).toMatchObject({ removed: false, leftovers: expect.arrayContaining([ended]) })
  expect(await json(['prune', '--yes', '--dry-run'])).toMatchObject({ removed: false })
  expect(await installation.containers(user)).toHaveLength(1)
  expect(await json(['prune', '--yes'])).toMatchObject({
    removed: true,
    leftovers: expect.arrayContaining([expect.objectContaining({ name: container?.name, gone: true })]),
  })
  expect(await installation.containers(user)).toEqual([])
  expect(await operator(['exec', user, '--', 'cat a.txt'])).toMatchObject({ code: 0, stdout: 'kept\n' })
})

test.each([['show'], ['logs'], ['stop'], ['destroy']])('%s of a user without a sandbox says so', async (command) => {
  const { code, stderr } = await operator([command, installation.newUser()])
  expect({ code, stderr }).toMatchObject({ code: 66, stderr: expect.stringMatching(/^not_found: /) })
})

describe('doctor', () => {
  test('finds that sandboxes work here, and leaves nothing of the one that it tried', async () => {
    const { fit, findings } = await json(['doctor'])
    expect(findings.filter(({ status }: { status: string }) => status === 'fail')).toEqual([])
    expect(fit).toBe(true)
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'canary network', status: 'ok', found: 'no route' }),
    )
  })

  test('names what is missing when no engine answers, and exits with 69', async () => {
    const { code, stdout } = await operator(['doctor', '--engine', 'unix:///nowhere/docker.sock'])
    expect({ code, stdout }).toMatchObject({
      code: 69,
      stdout: expect.stringMatching(/FAIL {2}engine +engine_unreachable/),
    })
  })
})
