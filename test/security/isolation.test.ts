import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { startInBackground, untilPrinted } from '../helpers/processes.ts'

const installation = useInstallation()
const a = installation.useServer()
const b = installation.useServer()

// IU01
test('nothing that A has written, runs, listens on or shares is found by B', async () => {
  const secret = `secret-${randomBytes(8).toString('hex')}`
  await a().output(`echo ${secret} > file; echo ${secret} > /tmp/file; echo ${secret} > /dev/shm/file`)
  const script = `
import ctypes, os, socket, time
secret = '${secret}'
libc = ctypes.CDLL(None)
segment = libc.shmget(0x5eC4e7, 4096, 0o1666)
libc.shmat.restype = ctypes.c_void_p
ctypes.memmove(libc.shmat(segment, None, 0), secret.encode(), len(secret))
abstract = socket.socket(socket.AF_UNIX); abstract.bind('\\0' + secret); abstract.listen()
tcp = socket.socket(); tcp.bind(('127.0.0.1', 7777)); tcp.listen()
print('planted', flush=True)
time.sleep(3600)`
  await a().call('write_file', { path: 'plant.py', content: script })
  const id = await startInBackground(a(), `SECRET=${secret} exec -a ${secret} python3 plant.py ${secret}`)
  await untilPrinted(a(), id, 'planted')

  const search = `
import ctypes, os, socket
secret = b'${secret}'
me = str(os.getpid())
for top in ('/workspace', '/tmp', '/dev/shm', '/dev/mqueue', '/var', '/run', '/home', '/root', '/mnt', '/opt', '/etc'):
    for directory, _, files in os.walk(top):
        for name in files:
            path = os.path.join(directory, name)
            if secret in path.encode(errors='surrogateescape'): print('named', path)
            try:
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                if secret in os.read(fd, 1 << 20): print('file', path)
                os.close(fd)
            except OSError: pass
for pid in filter(str.isdigit, os.listdir('/proc')):
    if pid == me: continue
    for name in ('cmdline', 'environ', 'comm'):
        try:
            if secret in open(f'/proc/{pid}/{name}', 'rb').read(): print('process', pid, name)
        except OSError: pass
for name in ('net/unix', 'sysvipc/shm', 'sysvipc/msg', 'sysvipc/sem', 'mounts', 'self/mountinfo', 'locks', 'key-users'):
    try: text = open('/proc/' + name, 'rb').read()
    except OSError: continue
    if secret in text: print('table', name)
if ctypes.CDLL(None).shmget(0x5eC4e7, 4096, 0) != -1: print('shared memory')
for address in ('\\0' + secret.decode(), ('127.0.0.1', 7777)):
    s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    try: s.connect(address); print('connected', address)
    except OSError: pass
print('searched')`
  // Split in the text of the search, so that the search does not find itself.
  const hidden = search.replace(`b'${secret}'`, `b'${secret.slice(0, 10)}' b'${secret.slice(10)}'`)
  expect(await b().output('python3 -', { stdin: hidden })).toBe('searched')
  // The search is one that finds: A finds all of it.
  const found = await a().output('python3 -', { stdin: hidden })
  for (const kind of [
    'file /workspace',
    'file /tmp',
    'file /dev/shm',
    'process',
    'table net/unix',
    'shared memory',
    'connected',
  ]) {
    expect(found).toContain(kind)
  }
})

// IU02
test('B cannot reach a server of A, by loopback or by name', async () => {
  const id = await startInBackground(a(), 'echo up; exec python3 -m http.server 8123 --bind 0.0.0.0')
  await a().call('process_read', { process_id: id, until: 'port:8123', wait_s: 50 })
  const reach = (host: string) =>
    `python3 -c "import socket; socket.create_connection(('${host}', 8123), 5)" 2>/dev/null && echo reached || echo refused`
  expect(await a().output(reach('127.0.0.1'))).toBe('reached')
  const names = ['127.0.0.1', 'localhost', 'sandbox', installation.identityOf(a().user).containerName]
  for (const name of names) expect(await b().output(reach(name)), name).toBe('refused')
})

// IU03
test('of 200 interleaved writes of two users to the same path none lands with the other', async () => {
  await Promise.all(
    Array.from({ length: 200 }, async (_, at) => {
      const server = at % 2 === 0 ? a() : b()
      await server.call('write_file', { path: `same/${at % 10}`, content: `${server.user}\n` })
      const { text } = await server.call('read_file', { path: `same/${at % 10}` })
      expect(text).toContain(server.user)
    }),
  )
  expect(await a().output('sort -u same/*')).toBe(a().user)
  expect(await b().output('sort -u same/*')).toBe(b().user)
})

// IU10
test('two users have different uids, in the engine’s record and in force', async () => {
  const [uidOfA, uidOfB] = [await a().output('id -u'), await b().output('id -u')]
  expect(uidOfA).not.toBe(uidOfB)
  for (const [server, uid] of [
    [a(), uidOfA],
    [b(), uidOfB],
  ] as const) {
    expect(Number(uid)).toBeGreaterThanOrEqual(20_000)
    const container = await installation.engine.containers.inspect(installation.identityOf(server.user).containerName)
    expect(container?.effective.user).toBe(`${uid}:${uid}`)
  }
})

// IU11, OU09
describe('errors of A', () => {
  test('say nothing of other users, the host, the engine or the program', async () => {
    await a().output('mkdir -p dir; mkfifo -m 600 fifo 2>/dev/null; echo x > file; head -c 100000 /dev/urandom > big')
    const calls: readonly (readonly [string, Record<string, unknown>])[] = [
      ['shell_exec', { command: '' }],
      ['shell_exec', { command: 'true', cwd: '/no/such' }],
      ['shell_exec', { command: 'true', env: { '=': '' } }],
      ['read_file', { path: 'missing' }],
      ['read_file', { path: 'dir' }],
      ['read_file', { path: 'fifo' }],
      ['read_file', { path: '/etc/shadow' }],
      ['read_file', { path: 'big', as: 'base64' }],
      ['read_file', { path: 'file', as: 'image' }],
      ['write_file', { path: '/etc/x', content: 'x' }],
      ['write_file', { path: 'file', content: 'x', mode: 'create' }],
      ['write_file', { path: 'file', content: 'x', if_version: 'abc' }],
      ['write_file', { path: 'file/below', content: 'x' }],
      ['process_read', { process_id: 'zzz-9' }],
      ['process_write', { process_id: 'zzz-9', signal: 'kill' }],
      ['upload', { path: 'x', content: 'x', extract: 'zip' }],
      ['list_files', { path: 'missing' }],
    ]
    const host = [b().user, a().user, installation.name, installation.identityOf(a().user).containerName, process.cwd()]
    for (const [tool, args] of calls) {
      const text = await a().refusal(tool, args)
      expect(text).toMatch(/^[a-z_]+: /)
      for (const word of host) expect(text, text).not.toContain(word)
      expect(text).not.toMatch(/docker|\.sock|\/var\/|node_modules|\.js\b|\.ts:|\n\s+at |errno|0x[0-9a-f]{6}/i)
    }
  })
})

// The server's own environment, names and labels
test('the sandbox holds no name of its user, installation or engine', async () => {
  const seen = await a().output(
    'hostname; env; id; cat /proc/self/mountinfo /proc/self/cgroup /etc/hosts 2>/dev/null; true',
  )
  expect(seen).not.toContain(a().user)
  expect(seen).not.toContain(installation.name)
  expect(seen).not.toMatch(/docker\.sock|containerd\.sock/)
})
