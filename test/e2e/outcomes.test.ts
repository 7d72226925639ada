import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { commandLinesWith, midCommand, runningCommands, startInBackground } from '../helpers/processes.ts'

const installation = useInstallation()
// The sandbox's own bound on commands is tried here, so the server's on calls of one user is out of the way.
const server = installation.useServer({ args: ['--max-calls-per-user', '100'] })

/** What a caller can tell about how a command ended. */
async function classified(command: string, args: Record<string, unknown> = {}): Promise<string> {
  const { status, exit_code: exitCode, signal } = await server().exec(command, args)
  return [status, exitCode, signal].filter((part) => part !== undefined).join(' ')
}

// OU08
test('the ways in which a command ends are told apart', async () => {
  const user = installation.newUser()
  await using other = await installation.start({ user })
  await other.exec('true')
  const gone = await midCommand(other, 'sleep 3600')
  await installation.engine.containers.remove(installation.identityOf(user).containerName)

  const controller = new AbortController()
  const cancelling = server().call('shell_exec', { command: 'sleep 3601' }, { signal: controller.signal })
  const cancelled = cancelling.catch(() => {}) // the SDK's client takes no answer after a cancel
  await expect.poll(() => runningCommands(server())).toContain('sleep 3601')
  controller.abort()
  await cancelled
  await expect.poll(() => runningCommands(server())).not.toContain('sleep 3601')
  const { structured } = await server().call('process_read')
  const ended = structured.processes.find(({ command }: { command: string }) => command === 'sleep 3601')

  const answers = [
    await classified('exit 0'),
    await classified('exit 1'),
    await classified('/etc/passwd'),
    await classified('no-such-program'),
    await classified('exit 137'),
    await classified('kill -KILL $$'),
    await classified('kill -TERM $$'),
    await classified(
      'python3 -c "x = bytearray(2**40 // 2**8)"; exec python3 -c "x = [b\'x\' * 2**20 for _ in range(2**20)]"',
    ),
    await classified('sleep 3600', { timeout_s: 1 }),
    ended.status,
    (await gone.answer).text.split(':')[0],
  ]
  expect(answers).toEqual([
    'exited 0',
    'exited 1',
    'exited 126',
    'exited 127',
    'exited 137',
    'signaled SIGKILL',
    'signaled SIGTERM',
    'oom_killed SIGKILL',
    'timed_out SIGTERM',
    'cancelled',
    'sandbox_stopped',
  ])
})

// OU07
describe('a command that could not be started', () => {
  test('says so when its working directory is missing, a file, or gone', async () => {
    await server().output('echo > a-file; mkdir gone; rmdir gone')
    for (const cwd of ['/no/such', 'a-file', 'gone']) {
      expect(await server().refusal('shell_exec', { command: 'true', cwd })).toBe(
        'not_found: The working directory (cwd) does not exist or cannot be entered. Create it first, or leave cwd out.',
      )
    }
  })

  test('says so when every process slot of the sandbox is taken, and works again when there is room', async () => {
    await using small = await installation.start({ user: installation.newUser(), env: { SANDBOX_PIDS: '64' } })
    const id = await startInBackground(small, 'while sleep 3600 & do :; done 2>/dev/null; sleep 3600')
    await expect
      .poll(async () => (await small.call('shell_exec', { command: 'true' })).text, { timeout: 30_000 })
      .toMatch(/^sandbox_limit: The sandbox has no memory or no process slot left\. End processes with process_write/)
    await small.call('process_write', { process_id: id, signal: 'kill' })
    // It was told to end; its processes have their slots until the kernel has ended each.
    await expect
      .poll(async () => (await small.call('shell_exec', { command: 'echo room' })).structured)
      .toMatchObject({
        stdout: 'room\n',
      })
  })
})

// RX26
test('a timeout gives the output so far and ends the whole tree, also what left the session', async () => {
  const tree =
    'echo begun; setsid sleep 7771 & (setsid nohup sleep 7772 >/dev/null 2>&1 &); trap "" TERM; sleep 7773; sleep 7774'
  const { status, stdout, duration_ms: ms } = await server().exec(tree, { timeout_s: 1 })
  expect({ status, stdout }).toEqual({ status: 'timed_out', stdout: 'begun\n' })
  expect(ms).toBeGreaterThanOrEqual(1000)
  // It ends when the grace of 1 s is over; the row asks for 2 s.
  expect(ms).toBeLessThan(4000)
  expect(await commandLinesWith(server(), 'sleep 777')).toEqual([])
})

// RX31
test('a cancel ends the whole tree within 2 s and frees the slot', async () => {
  const controller = new AbortController()
  const calls = Array.from({ length: 64 }, (_, at) =>
    server()
      .call('shell_exec', { command: `setsid sleep 888${at} & sleep 888${at}` }, { signal: controller.signal })
      .catch(() => {}),
  )
  await expect.poll(async () => (await runningCommands(server())).length, { timeout: 30_000 }).toBe(64)
  // RX14
  expect(await server().refusal('shell_exec', { command: 'true' })).toMatch(
    /^sandbox_limit: Too many commands run at once/,
  )
  await using other = await installation.start({ user: installation.newUser() })
  expect(await other.output('echo undisturbed')).toBe('undisturbed')

  controller.abort()
  await Promise.all(calls)
  const cancelledAt = performance.now()
  await expect
    .poll(async () => (await server().call('process_read')).structured.processes.filter(isRunning), { timeout: 20_000 })
    .toEqual([])
  expect(performance.now() - cancelledAt).toBeLessThan(4000)
  expect(await commandLinesWith(server(), 'sleep 888')).toEqual([])
})

const isRunning = ({ status }: { status: string }) => status === 'running'

// RX27
test('a process that is left behind does not hold the call, and the result names it', async () => {
  const {
    duration_ms: ms,
    left_running: left,
    process_id: id,
  } = await server().exec('setsid nohup sleep 7775 & echo started')
  expect(ms).toBeLessThan(3000)
  expect(left).toBe(true)
  expect(await commandLinesWith(server(), 'sleep 7775')).toEqual(['sleep 7775'])
  await server().call('process_write', { process_id: id, signal: 'kill' })
  await expect.poll(() => commandLinesWith(server(), 'sleep 7775')).toEqual([])
})

// RX30
test.each(['cat', 'read line; echo "$? end"', 'python3 -c "input()" 2>&1 | tail -1', 'bash', 'sort'])(
  'without stdin %j reads the end of file and returns',
  async (command) => {
    const { status, duration_ms: ms } = await server().exec(command)
    expect(status).toBe('exited')
    expect(ms).toBeLessThan(10_000)
  },
)

// OU05
test('each stream keeps its order, and none leaks into the other', async () => {
  const { stdout, stderr } = await server().exec('for i in $(seq 500); do echo o$i; echo e$i >&2; done')
  const lines = (prefix: string) => Array.from({ length: 500 }, (_, at) => `${prefix}${at + 1}\n`).join('')
  expect({ stdout, stderr }).toEqual({ stdout: lines('o'), stderr: lines('e') })
})
