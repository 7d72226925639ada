import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { startInBackground } from '../helpers/processes.ts'
import type { TestServer } from '../helpers/start-server.ts'

/** A takes all that it can; B must hardly notice, and A must work again afterwards. One at a time: each loads the machine. */
const installation = useInstallation()
const a = installation.useServer()
const b = installation.useServer()

/** Median time of a small command, in milliseconds. */
async function medianLatency(server: TestServer): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < 15; round++) {
    const started = performance.now()
    await server.output('true')
    times.push(performance.now() - started)
  }
  return times.sort((x, y) => x - y)[7] ?? Infinity
}

/** Above any jitter of a busy machine: what counts is that B is not stopped. */
const FAR_TOO_SLOW_MS = 2000

// RX01
test('a fork bomb ends by its deadline, and neither the user’s next call nor another user is stopped', async () => {
  const bomb = a().call('shell_exec', { command: 'f() { f | f & }; f; sleep 3600', timeout_s: 3 })
  expect(await medianLatency(b())).toBeLessThan(FAR_TOO_SLOW_MS)
  const { structured } = await bomb
  expect(structured.status).toMatch(/^(timed_out|exited|signaled)$/)
  await expect
    .poll(async () => (await a().call('shell_exec', { command: 'echo works' })).text, { timeout: 10_000 })
    .toBe('works')
})

test('a fork bomb that runs away from its command is ended by kill -9 -1 of the user', async () => {
  await a().call('shell_exec', { command: '(f() { f | f & }; f) >/dev/null 2>&1 &', timeout_s: 2 })
  // kill(2): a signal to -1 goes to all but PID 1 and the sender.
  const end = async () => (await a().call('shell_exec', { command: 'kill -9 -1' })).structured?.status
  await expect.poll(end, { timeout: 20_000 }).toBe('exited')
  await expect
    .poll(async () => (await a().call('shell_exec', { command: 'echo works' })).text, { timeout: 10_000 })
    .toBe('works')
})

// RX02, RX03, RX12
test.each([
  ['one process that allocates', 'python3 -c "x = [b\'x\' * 2**20 for _ in range(2**20)]"'],
  [
    'many processes that allocate',
    'for i in $(seq 20); do python3 -c "x = [b\'x\' * 2**20 for _ in range(200)]; import time; time.sleep(3)" & all="$all $!"; done; for pid in $all; do wait $pid || exit $?; done',
  ],
  [
    'an anonymous file',
    "exec python3 -c \"import os; f = os.memfd_create('x'); [os.write(f, b'x' * 2**20) for _ in range(4096)]\"",
  ],
  [
    'a sparse map that is touched',
    'exec python3 -c "import mmap; m = mmap.mmap(-1, 4 << 30); [m.__setitem__(i, 1) for i in range(0, 4 << 30, 4096)]"',
  ],
])('memory taken by %s ends within the sandbox, which lives on with its files', async (_name, command) => {
  await a().output('echo kept > file')
  const before = await installation.containers(a().user)
  const { status, exit_code: exitCode, stderr } = await a().exec(command, { timeout_s: 40 })
  // The kernel chooses: the command's own process is told as oom_killed, a child shows in the shell's exit code. All of it ends well where nothing holds it.
  expect(`${status} ${exitCode} ${stderr}`).toMatch(/oom_killed|exited 137 |MemoryError|Killed/)
  expect(await a().output('cat file')).toBe('kept')
  expect((await installation.containers(a().user)).map(({ id }) => id)).toEqual(before.map(({ id }) => id))
})

test('a command that is itself killed for memory says so', async () => {
  const { status } = await a().exec('exec python3 -c "x = [b\'x\' * 2**20 for _ in range(2**20)]"')
  expect(status).toBe('oom_killed')
})

// RX12
test('locking memory is refused', async () => {
  const lock = 'python3 -c "import ctypes, mmap; print(ctypes.CDLL(None).mlockall(3))"'
  expect(await a().output(lock)).toBe('-1')
})

// RX05
test('/dev/shm and /tmp fill up within their bounds, one without the other, and the sandbox goes on', async () => {
  for (const place of ['/dev/shm', '/tmp']) {
    const { exit_code: exitCode, stderr } = await a().exec(`head -c 1G /dev/zero > ${place}/fill`)
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining('No space left on device') })
    expect(Number(await a().output(`stat -c %s ${place}/fill`))).toBeLessThanOrEqual(64 * 1024 ** 2)
    // Long output is spooled apart from it.
    const { stdout_bytes: total } = await a().exec('seq 200000')
    expect(total).toBeGreaterThan(1_000_000)
    await a().output(`rm ${place}/fill`)
  }
})

// RX06
test('open files end at the limit, and the server has no more of its own than before', async () => {
  const own = () => readdirSync(`/proc/${a().pid}/fd`).length
  await a().output('true')
  const before = own()
  const script = `
import os
files = []
try:
    while True: files.append(os.open('/dev/null', os.O_RDONLY))
except OSError as e: print(len(files) < 1024, e.strerror)`
  expect(await a().output('python3 -', { stdin: script })).toBe('True Too many open files')
  await Promise.all(Array.from({ length: 40 }, () => a().output('true')))
  expect(own()).toBeLessThanOrEqual(before + 2)
})

// RX07
test('four endless loops of A get one CPU together, and B’s calls stay within three times their time', async () => {
  const alone = await medianLatency(b())
  const id = await startInBackground(a(), 'for i in 1 2 3 4; do python3 -c "while True: pass" & done; wait')
  const used =
    "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || awk '/usage_usec/ {print $2 * 1000}' /sys/fs/cgroup/cpu.stat"
  const [cpuBefore, before] = [Number(await a().output(used)), performance.now()]
  const beside = await medianLatency(b())
  await a().output('sleep 2')
  const share = (Number(await a().output(used)) - cpuBefore) / 1e6 / (performance.now() - before)
  expect(share).toBeGreaterThan(0)
  expect(share).toBeLessThan(1.3)
  // A few ms are the granularity of the scheduler on two cores.
  expect(beside).toBeLessThan(alone * 3 + 20)
  await a().call('process_write', { process_id: id, signal: 'kill' })
})

// RX09
test('300 double-forked children leave no zombie', async () => {
  await a().output('for i in $(seq 300); do (setsid true & ) ; done')
  const zombies = "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '; true"
  await expect.poll(() => a().output(zombies), { timeout: 20_000 }).toBe('0')
})

describe('a file', () => {
  // RX10
  test('of a crash is not written, also not when the limit is raised', async () => {
    const { status } = await a().exec(
      'mkdir crash; cd crash; ulimit -c unlimited; exec python3 -c "import os; os.abort()"',
    )
    expect(status).toBe('signaled')
    expect(await a().output('ls -A crash')).toBe('')
  })

  // RX20
  test('beyond the largest size is refused to a command by SIGXFSZ or EFBIG, and to a tool with its code', async () => {
    await using small = await installation.start({ user: installation.newUser(), env: { SANDBOX_FILE_SIZE: '1MiB' } })
    const { status, signal } = await small.exec('exec head -c 3M /dev/zero > big')
    expect({ status, signal }).toEqual({ status: 'signaled', signal: 'SIGXFSZ' })
    expect(Number(await small.output('stat -c %s big'))).toBe(1024 ** 2)
    expect(await small.refusal('write_file', { path: 'big', content: 'x'.repeat(1024 ** 2 + 1) })).toMatch(
      /^too_large: /,
    )
    // Output that is spooled is the supervisor's and not limited so.
    expect((await small.exec('head -c 3000000 /dev/zero')).stdout_bytes).toBe(3_000_000)
  })

  // RX16
  test('outside of workspace and tmpfs cannot be written', async () => {
    const { stderr } = await a().exec('for d in / /etc /usr/bin /var/tmp /home /.sandbox; do echo x > $d/x; done')
    expect(
      stderr
        .split('\n')
        .filter((line: string) =>
          /Read-only file system|Permission denied|Directory nonexistent|No such file/.test(line),
        ),
    ).toHaveLength(6)
  })
})

// RX13
test('reading and writing far more than the memory kills nobody and hardly slows B', async () => {
  const alone = await medianLatency(b())
  const busy = a().exec('for i in 1 2 3; do head -c 700M /dev/zero > cache; cat cache > /dev/null; done; rm cache', {
    timeout_s: 60,
  })
  const beside = await medianLatency(b())
  expect(await busy).toMatchObject({ status: 'exited', exit_code: 0 })
  expect(beside).toBeLessThan(alone * 3 + 50)
  expect(await a().output('echo works')).toBe('works')
})
