import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { access, readdir } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import { startLocalSupervisor, SUPERVISOR_BINARY } from '../../helpers/local-supervisor.ts'

const START = {
  keepStdinOpen: false,
  private: false,
  timeoutMs: 0,
  graceMs: 100,
  head: 1000,
  tail: 1000,
  cwd: '/',
  env: ['PATH=/usr/bin:/bin'],
  stdin: new Uint8Array(0),
}

function start(command: string, waitMs: number) {
  return { ...START, key: randomBytes(16), command, waitMs }
}

async function isAlive(pid: number): Promise<boolean> {
  return access(`/proc/${pid}`).then(
    () => true,
    () => false,
  )
}

test('KILL_ALL ends what an attached supervisor started, also daemons, and nothing beside it', async () => {
  await using supervisor = await startLocalSupervisor(['--attached'])
  const bystander = spawn('sleep', ['60'])
  try {
    await once(bystander, 'spawn')
    const client = await supervisor.connect()
    // A daemon as it can be: another session, no mark, its parent gone.
    const { stdout } = await client.start(
      start('setsid env -i /bin/sleep 60 </dev/null >/dev/null 2>&1 & echo $!', 5000),
    )
    const daemon = Number(stdout.head.toString())
    expect(await isAlive(daemon)).toBe(true)
    await client.killAll()
    expect(await isAlive(daemon)).toBe(false)
    expect(bystander.exitCode).toBeNull()
    await client.ping()
  } finally {
    bystander.kill('SIGKILL')
  }
})

test('when it is told to end it takes its commands and its spool directory along', async () => {
  await using supervisor = await startLocalSupervisor(['--attached'])
  const client = await supervisor.connect()
  const spooled = await client.start(start('head -c 200000 /dev/zero; echo $$ >&2', 5000))
  expect(spooled.summary.stdoutSpooled).toBe(true)
  expect(await readdir(supervisor.spool)).toHaveLength(1)
  const { stdout } = await client.start(start('echo $$; exec sleep 60', 300))
  supervisor.process.kill('SIGTERM')
  await once(supervisor.process, 'exit')
  expect(await isAlive(Number(stdout.head.toString()))).toBe(false)
  await expect(access(supervisor.spool)).rejects.toThrow('ENOENT')
})

test('without use and without a server it ends by itself', async () => {
  await using supervisor = await startLocalSupervisor(['--attached', '--idle-exit', '1'])
  await vi.waitFor(() => expect(supervisor.process.exitCode).toBe(0), { timeout: 10_000 })
  await expect(access(supervisor.spool)).rejects.toThrow('ENOENT')
})

test.skipIf(process.getuid?.() !== 0)('it refuses to be PID 1, where KILL_ALL would reach everybody', async () => {
  const args = ['--pid', '--fork', '--mount-proc', SUPERVISOR_BINARY, 'init', '--attached', '--socket', 'x']
  const unshare = spawn('unshare', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let told = ''
  unshare.stderr.on('data', (text: Buffer) => (told += text.toString()))
  const [code] = (await once(unshare, 'close')) as [number]
  expect(code).toBe(1)
  expect(told).toContain('--attached as PID 1')
})
