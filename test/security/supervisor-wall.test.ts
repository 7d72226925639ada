import { expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { commandLinesWith, runningCommands, startInBackground } from '../helpers/processes.ts'

/** The user's code has the uid of PID 1 and every right that goes with it: what of the supervisor can it reach? */
const installation = useInstallation()
const server = installation.useServer()

/** Runs a python program that prints one line for each attempt. */
const attempts = (script: string) => server().output(`python3 - <<'END'\n${script}\nEND`)

test.each([
  ['kill -KILL 1; kill -STOP 1; kill -TERM 1; kill -INT 1; kill -HUP 1; kill -SEGV 1; kill -USR1 1', 0],
  ['python3 -c "import os; [os.kill(1, s) for s in range(1, 65) if s not in (32, 33)]"', 0],
])('no signal to PID 1 ends or stops the supervisor: %s', async (command, exitCode) => {
  expect((await server().exec(command)).exit_code).toBe(exitCode)
  expect(await server().output('echo answers')).toBe('answers')
})

test('kill -9 -1 ends the user’s processes and nothing else', async () => {
  const user = installation.newUser()
  await using other = await installation.start({ user })
  await startInBackground(other, 'sleep 3600')
  const before = await installation.containers(user)
  await other.exec('kill -9 -1; true')
  expect(await runningCommands(other)).toEqual([])
  expect(await other.output('echo answers')).toBe('answers')
  expect((await installation.containers(user)).map(({ id }) => id)).toEqual(before.map(({ id }) => id))
})

test('the supervisor’s socket takes no connection of the user’s uid, however often it is tried', async () => {
  const script = `
import socket
answered = 0
for attempt in range(100):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(10)
    try:
        s.connect('\\0sandbox-mcp/supervisor')
        s.sendall(b'C')
        answered += len(s.recv(100))
    except OSError:
        pass
print(answered)`
  expect(await attempts(script)).toBe('0')
  expect(await server().output('/.sandbox/supervisor connect </dev/null | head -c 100 | wc -c')).toBe('0')
  expect(await server().output('echo answers')).toBe('answers')
})

test('its address cannot be taken by the user', async () => {
  const script = `
import errno, socket
try:
    socket.socket(socket.AF_UNIX).bind('\\0sandbox-mcp/supervisor')
    print('taken')
except OSError as e:
    print(errno.errorcode[e.errno])`
  expect(await attempts(script)).toBe('EADDRINUSE')
})

// ES08
test('PID 1 and its bridge show nothing of themselves in /proc and cannot be traced', async () => {
  const script = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
me = os.getpid()
for pid in sorted(int(name) for name in os.listdir('/proc') if name.isdigit()):
    try:
        program = open(f'/proc/{pid}/cmdline').read().split('\\0')[0]
    except OSError:
        continue
    if program != '/.sandbox/supervisor': continue
    for name in ('environ', 'mem', 'maps', 'fd', 'cwd', 'root', 'exe', 'syscall', 'stack'):
        path = f'/proc/{pid}/{name}'
        try:
            if name == 'fd': os.listdir(path)
            elif name in ('cwd', 'root', 'exe'): os.readlink(path)
            else: open(path, 'rb').read(1)
            print('open', path)
        except OSError:
            pass
    if libc.ptrace(16, pid, 0, 0) != -1: print('traced', pid)
    if libc.process_vm_readv(pid, None, 0, None, 0, 0) > 0: print('read', pid)
print('end')`
  expect(await attempts(script)).toBe('end')
})

test('its program is read-only and its spool keeps nothing from the user that is not the user’s own', async () => {
  expect((await server().exec('echo x > /.sandbox/supervisor')).exit_code).not.toBe(0)
  expect((await server().exec('cp /bin/true /.sandbox/supervisor')).exit_code).not.toBe(0)
  // The user may destroy the spooled output; that costs the output, and nothing else.
  const { process_id: id } = await server().exec('seq 100000')
  await server().output(
    'for f in /tmp/.sandbox/*; do rm -f "$f"; ln -s /etc/passwd "$f"; mkdir -p /tmp/.sandbox/zz; done',
  )
  const answer = await server().call('process_read', { process_id: id, since: '0:0' })
  expect(answer.text).not.toContain('root:')
  await server().exec('seq 100000; rm -rf /tmp/.sandbox/* ; ln -s /workspace/trap /tmp/.sandbox/trap')
  expect(await server().output('echo answers')).toBe('answers')
})

test('a user who stops every process gets them ended by the timeout all the same', async () => {
  const { status } = await server().exec('setsid sleep 4321 & kill -STOP -1; sleep 4321', { timeout_s: 1 })
  expect(status).toMatch(/^(timed_out|signaled)$/)
  expect(await commandLinesWith(server(), 'sleep 4321')).toEqual([])
})
