import { expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'

/** What code of the user tries from inside, through the server and in the container that it made. The flags one by one: profile.test.ts */
const installation = useInstallation()
const server = installation.useServer()

/** Python statements, each tried on its own; gives the names of those that were not refused. */
async function notRefused(tries: Readonly<Record<string, string>>): Promise<string[]> {
  const script = `
import ctypes, os, socket, errno
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    if libc.syscall(number, *args) == -1: raise OSError(ctypes.get_errno(), '')
def check(result):
    if result == -1: raise OSError(ctypes.get_errno(), '')
${Object.entries(tries)
  .map(([name, statement]) => `try:\n    ${statement}\n    print(${JSON.stringify(name)})\nexcept OSError: pass`)
  .join('\n')}
print('end')`
  const lines = (await server().output('python3 -', { stdin: script })).split('\n')
  expect(lines.pop()).toBe('end')
  return lines
}

// ES01
test('a command has no capability, no new privileges, a filter, a uid that is not 0, and no other group', async () => {
  const status = await server().output(
    "grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid)' /proc/self/status; id -G; id -g",
  )
  const zero = '0000000000000000'
  for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(status).toContain(`${name}:\t${zero}`)
  expect(status).toMatch(/NoNewPrivs:\t1\nSeccomp:\t2\n(\d+)\n\1$/)
  expect(status).not.toMatch(/^Uid:.*\t0(\t|$)/m)
})

// ES02, ES03
test('mounts, namespaces and new roots are refused', async () => {
  expect(
    await notRefused({
      mount: 'check(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))',
      bind: 'check(libc.mount(b"/", b"/tmp", None, 4096, None))',
      remount: 'check(libc.mount(None, b"/", None, 32, None))',
      umount: 'check(libc.umount2(b"/proc", 2))',
      pivot_root: 'call(155 if os.uname().machine == "x86_64" else 41, b"/tmp", b"/tmp")',
      chroot: 'os.chroot("/tmp")',
      fsopen: 'call(430, b"tmpfs", 0)',
      open_tree: 'call(428, -100, b"/", 1)',
      user_namespace: 'check(libc.unshare(0x10000000))',
      mount_namespace: 'check(libc.unshare(0x20000))',
      network_namespace: 'check(libc.unshare(0x40000000))',
      pid_namespace: 'check(libc.unshare(0x20000000))',
      setns: 'check(libc.setns(os.open("/proc/self/ns/net", os.O_RDONLY), 0))',
      clone3: 'call(435, None, 88)',
    }),
  ).toEqual([])
})

// ES04, ES05, ES06, ES12
test('kernel settings, cgroups, devices and kernel memory cannot be opened for what they would give', async () => {
  const writable = [
    'sysrq-trigger',
    'sys/kernel/core_pattern',
    'sys/kernel/modprobe',
    'sys/vm/overcommit_memory',
    'sys/kernel/hostname',
  ]
  const tries = Object.fromEntries([
    ...writable.map((name) => [`/proc/${name}`, `os.close(os.open("/proc/${name}", os.O_WRONLY))`]),
    ...['/sys/kernel/uevent_helper', '/sys/fs/cgroup/cgroup.procs', '/sys/fs/cgroup/memory/release_agent'].map(
      (path) => [path, `os.close(os.open("${path}", os.O_WRONLY))`],
    ),
    ['cgroup', 'os.mkdir("/sys/fs/cgroup/planted")'],
    ['mknod', 'os.mknod("/tmp/disk", 0o60600, os.makedev(8, 0))'],
    ...['mem', 'kmsg', 'sda', 'kvm', 'fuse', 'vsock', 'net/tun', 'loop-control'].map((name) => [
      `/dev/${name}`,
      `os.close(os.open("/dev/${name}", os.O_RDONLY))`,
    ]),
    ['/proc/kcore', 'if not os.read(os.open("/proc/kcore", os.O_RDONLY), 1): raise OSError()'],
  ])
  expect(await notRefused(tries)).toEqual([])
})

// ES10
test('system calls of known escapes are refused', async () => {
  const x86 = {
    add_key: 248,
    request_key: 249,
    keyctl: 250,
    perf_event_open: 298,
    name_to_handle_at: 303,
    open_by_handle_at: 304,
  }
  const arm = {
    add_key: 217,
    request_key: 218,
    keyctl: 219,
    perf_event_open: 241,
    name_to_handle_at: 264,
    open_by_handle_at: 265,
  }
  const both = { io_uring_setup: 425, pidfd_getfd: 438, move_mount: 429 }
  const special = {
    bpf: [321, 280],
    userfaultfd: [323, 282],
    init_module: [175, 105],
    kexec_load: [246, 104],
    process_vm_readv: [310, 270],
  }
  const number = (pair: readonly number[]) => `${pair[0]} if os.uname().machine == "x86_64" else ${pair[1]}`
  const all: [string, readonly number[]][] = [
    ...Object.entries(x86).map(([name, at]): [string, readonly number[]] => [
      name,
      [at, arm[name as keyof typeof arm]],
    ]),
    ...Object.entries(both).map(([name, at]): [string, readonly number[]] => [name, [at, at]]),
    ...Object.entries(special),
  ]
  const refusals = Object.fromEntries(
    // EPERM or ENOSYS, before the kernel looks at any argument: EFAULT or EINVAL would mean that it was let through.
    all.map(([name, pair]) => [
      name,
      `libc.syscall(${number(pair)}, 0, 0, 0, 0, 0); e = ctypes.get_errno()\n    if e in (errno.EPERM, errno.ENOSYS): raise OSError()`,
    ]),
  )
  expect(await notRefused(refusals)).toEqual([])
  expect(
    await notRefused({
      vsock: 'socket.socket(40, socket.SOCK_STREAM)',
      alg: 'socket.socket(38, socket.SOCK_SEQPACKET)',
      raw: 'socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)',
      packet: 'socket.socket(17, socket.SOCK_RAW)',
    }),
  ).toEqual([])
})

// ES07
test('there is no socket of an engine, and no directory of the host is mounted', async () => {
  expect(
    await server().output('find / -xdev -type s 2>/dev/null; find /run /var/run -name "*.sock" 2>/dev/null; true'),
  ).toBe('')
  const mounts = await server().output(
    "awk '{print $5}' /proc/self/mountinfo | grep -vE '^/(proc|sys|dev)(/|$)' | sort",
  )
  expect(mounts.split('\n').filter((path) => !path.startsWith('/etc/'))).toEqual([
    '/',
    '/tmp',
    '/tmp/.sandbox',
    '/workspace',
  ])
})

// ES09
test('there is no set-uid, set-gid or capable file, and none that is made gives another uid', async () => {
  expect(await server().output('find / -xdev -perm /6000 -type f 2>/dev/null; getcap -r / 2>/dev/null; true')).toBe('')
  expect(
    await server()
      .output('cp /bin/sh own; chmod 6755 own; ./own -c "id -u"; id -u')
      .then((out) => new Set(out.split('\n')).size),
  ).toBe(1)
  expect((await server().exec('su -c id root </dev/null')).exit_code).not.toBe(0)
})

// NE01, NE02, NE03
test('there is only the loopback interface, and everything else is unreachable at once', async () => {
  expect(await server().output('ls /sys/class/net; tail -n +2 /proc/net/route')).toBe('lo')
  const addresses = ['169.254.169.254', '172.17.0.1', '192.0.2.1', '8.8.8.8', '2001:db8::1', 'fd00:ec2::254']
  const script = `
import socket, time
for address in ${JSON.stringify(addresses)}:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, kind)
        s.settimeout(10)
        begun = time.monotonic()
        try: s.connect((address, 53)); print('reached', address, kind)
        except OSError: pass
        if time.monotonic() - begun > 2: print('slow', address)
begun = time.monotonic()
try: print(socket.getaddrinfo('example.com', 80))
except socket.gaierror: pass
if time.monotonic() - begun > 5: print('slow resolver')
print('end')`
  expect(await server().output('python3 -', { stdin: script })).toBe('end')
})

// NE05
test('no argument of a tool gives a network', async () => {
  expect(await server().refusal('shell_exec', { command: 'true', network: 'bridge' })).toContain(
    'Unknown parameter network',
  )
})
