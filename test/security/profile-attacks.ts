import { MASKED_PATHS } from '../../src/engine/docker/hidden-paths.ts'
import type { ContainerLimits } from '../../src/engine/engine.ts'
import { SETUID_PROBE, type LooseBody } from '../helpers/profile-lab.ts'

/** An attack that one flag of the profile stops, and a way to make the same container without the flag. */
export interface Attack {
  /** The flag, as the create body names it. */
  readonly flag: string
  /** What is tried. */
  readonly attempt: string
  /** The program that tries; it prints what happened. */
  readonly command: readonly string[]
  /** Whom it runs as; the sandbox's user when not given. Root where the user's own lack of rights would hide the flag's work. */
  readonly uid?: number
  readonly limits?: Partial<ContainerLimits>
  /** Changes that both containers share, so that another flag does not stop the attack first. */
  readonly given?: (body: LooseBody) => void
  /** What it prints where the flag is. */
  readonly stopped: RegExp
  /** Takes the flag away. */
  without(body: LooseBody): void
  /** What it prints then. */
  readonly succeeds: RegExp
}

const MIB = 1024 * 1024
const ROOT = 0

/** A python program of which `attempt` is one statement; prints "ok" or the name of the error. */
function attempt(statements: string): readonly string[] {
  const script = `
import os, sys, errno, ctypes, mmap, resource, signal, socket, time
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
  if result == -1: raise OSError(ctypes.get_errno(), '')
  return result
try:
${statements
  .trim()
  .split('\n')
  .map((line) => `  ${line}`)
  .join('\n')}
  print('ok')
except (OSError, ValueError) as e:
  print(errno.errorcode.get(getattr(e, 'errno', None), type(e).__name__))
`
  return ['python3', '-c', script]
}

const withoutHost =
  (...names: readonly string[]) =>
  (body: LooseBody): void => {
    for (const name of names) delete body.HostConfig[name]
  }
const withoutUlimit =
  (name: string) =>
  (body: LooseBody): void => {
    const ulimits = body.HostConfig['Ulimits'] as { readonly Name: string }[]
    body.HostConfig['Ulimits'] = ulimits.filter((ulimit) => ulimit.Name !== name)
  }
const withTmpfs =
  (path: string, change: (options: string) => string) =>
  (body: LooseBody): void => {
    const tmpfs = body.HostConfig['Tmpfs'] as Record<string, string>
    tmpfs[path] = change(tmpfs[path] ?? '')
  }
const mountOptions = (path: string) => ['sh', '-c', `grep ' ${path} ' /proc/self/mountinfo | cut -d' ' -f6`]
const write = (path: string, bytes: number) =>
  attempt(`with open('${path}', 'wb', buffering=0) as f:\n  for _ in range(${bytes / MIB}): f.write(bytes(${MIB}))`)

/** Prints how many bytes of each path can be read, or names of each directory listed; "hidden" for none, "absent" for no such path. */
const readAll = (paths: readonly string[]) => [
  'python3',
  '-c',
  `
import os, sys
for path in ${JSON.stringify(paths)}:
  try:
    size = len(os.listdir(path)) if os.path.isdir(path) else len(open(path, 'rb').read(4096))
    print(path, 'shown' if size else 'hidden')
  except FileNotFoundError: print(path, 'absent')
  except OSError: print(path, 'hidden')
`,
]

/** Paths of the masked ones that every kernel has and lets everybody read. */
const COMMON_MASKED = ['/proc/cmdline', '/proc/interrupts', '/sys/kernel', '/sys/block', '/sys/firmware']
const connectTo = (family: 'AF_INET' | 'AF_INET6', host: string) =>
  attempt(`
start = time.monotonic()
s = socket.socket(socket.${family}, socket.SOCK_STREAM); s.settimeout(5)
try: s.connect(('${host}', 80))
finally:
  if time.monotonic() - start > 2: print('slow')
`)

/** In the order of the create body. */
export const ATTACKS: readonly Attack[] = [
  {
    flag: 'User',
    attempt: 'be root as PID 1',
    command: ['sh', '-c', "grep -E '^(Uid|Gid|Groups):' /proc/1/status | tr -s '\\t ' ' '"],
    stopped: /^Uid: 20001 20001 20001 20001\nGid: 20001 20001 20001 20001\nGroups: ?20001$/,
    without: (body) => delete body.User,
    succeeds: /^Uid: 0 0 0 0\nGid: 0 0 0 0/,
  },
  {
    flag: 'User',
    attempt: 'be in the group of root as PID 1',
    command: ['sh', '-c', "grep -E '^Gid:' /proc/1/status | tr -s '\\t ' ' '"],
    stopped: /^Gid: 20001 20001 20001 20001$/,
    without: (body) => {
      body.User = '20001'
    },
    succeeds: /^Gid: 0 0 0 0$/,
  },
  {
    flag: 'Hostname',
    attempt: 'learn the id of the container',
    command: ['hostname'],
    stopped: /^sandbox$/,
    without: (body) => delete body['Hostname'],
    succeeds: /^[0-9a-f]{12}$/,
  },
  {
    flag: 'NetworkMode, NetworkDisabled',
    attempt: 'use a network interface',
    command: ['ls', '/sys/class/net'],
    stopped: /^lo$/,
    without: online,
    succeeds: /eth0/,
  },
  ...['169.254.169.254', '172.17.0.1', '192.0.2.1'].map((host): Attack => ({
    flag: 'NetworkMode, NetworkDisabled',
    attempt: `connect to ${host}`,
    command: connectTo('AF_INET', host),
    stopped: /^ENETUNREACH$/,
    without: online,
    // A route: refused, silent or answered, but no longer "no network".
    succeeds: /^(slow\n)?(ok|ECONNREFUSED|TimeoutError|ETIMEDOUT|EHOSTUNREACH|EAGAIN)$/,
  })),
  {
    flag: 'Memory',
    attempt: 'take more memory than the limit',
    command: [
      'sh',
      '-c',
      "python3 -c 'x = bytearray(200 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint(1)'; echo $?",
    ],
    limits: { memoryBytes: 64 * MIB },
    stopped: /^137$/,
    without: withoutHost('Memory', 'MemorySwap'),
    succeeds: /^1\n0$/,
  },
  {
    flag: 'MemorySwap',
    attempt: 'use swap beyond the limit of memory',
    // cgroup v1: memory and swap together; v2: swap alone.
    command: [
      'sh',
      '-c',
      'cat /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.swap.max',
    ],
    limits: { memoryBytes: 128 * MIB },
    stopped: /^(134217728|0)$/,
    without: withoutHost('MemorySwap'),
    succeeds: /^(268435456|134217728)$/,
  },
  {
    flag: 'NanoCpus',
    attempt: 'use a whole CPU',
    command: [
      'sh',
      '-c',
      "python3 -c 'import time\nwhile time.process_time() < 0.3: pass'; cat /sys/fs/cgroup/cpu/cpu.stat /sys/fs/cgroup/cpu.stat 2>/dev/null | grep nr_throttled",
    ],
    limits: { cpus: 0.2 },
    stopped: /^nr_throttled [1-9]\d*$/,
    without: withoutHost('NanoCpus'),
    succeeds: /^(nr_throttled 0)?$/,
  },
  {
    flag: 'PidsLimit',
    attempt: 'bomb with forks',
    command: attempt(`
children = []
try:
  for _ in range(200):
    pid = os.fork()
    if pid == 0: signal.pause(); os._exit(0)
    children.append(pid)
finally:
  for pid in children: os.kill(pid, 9)
`),
    stopped: /^EAGAIN$/,
    without: withoutHost('PidsLimit'),
    succeeds: /^ok$/,
  },
  {
    flag: 'CapDrop',
    attempt: 'forge packets, as root',
    uid: ROOT,
    given: asRoot,
    command: attempt('socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)'),
    stopped: /^EPERM$/,
    without: withoutHost('CapDrop'),
    succeeds: /^ok$/,
  },
  {
    flag: 'CapDrop',
    attempt: 'give away a file, as root',
    uid: ROOT,
    given: asRoot,
    command: attempt("os.chown('/tmp', 1, 1)"),
    stopped: /^EPERM$/,
    without: withoutHost('CapDrop'),
    succeeds: /^ok$/,
  },
  {
    flag: 'CapDrop',
    attempt: 'keep a capability in the bounding set',
    command: ['sh', '-c', "grep -E '^Cap' /proc/self/status | cut -f2 | sort -u"],
    stopped: /^0000000000000000$/,
    without: withoutHost('CapDrop'),
    succeeds: /[1-9a-f]/,
  },
  {
    flag: 'SecurityOpt no-new-privileges',
    attempt: 'become root by a set-uid program',
    command: [SETUID_PROBE, 'euid'],
    stopped: /^20001$/,
    without: (body) => {
      const options = body.HostConfig['SecurityOpt'] as string[]
      body.HostConfig['SecurityOpt'] = options.filter((option) => !option.startsWith('no-new-privileges'))
    },
    succeeds: /^0$/,
  },
  {
    flag: 'ReadonlyRootfs',
    attempt: 'change a program of the image, as root',
    uid: ROOT,
    command: attempt("open('/usr/bin/env', 'r+b')"),
    stopped: /^EROFS$/,
    without: withoutHost('ReadonlyRootfs'),
    succeeds: /^ok$/,
  },
  {
    flag: 'Tmpfs /tmp size',
    attempt: 'fill /tmp with bytes',
    command: write('/tmp/big', 20 * MIB),
    stopped: /^ENOSPC$/,
    without: withTmpfs('/tmp', (options) => options.replace(/,size=\d+/, '')),
    succeeds: /^ok$/,
  },
  {
    flag: 'Tmpfs /tmp nr_inodes',
    attempt: 'fill /tmp with empty files',
    command: attempt("for i in range(17000): os.close(os.open(f'/tmp/{i}', os.O_CREAT))"),
    stopped: /^ENOSPC$/,
    without: withTmpfs('/tmp', (options) => options.replace(/,nr_inodes=\w+/, '')),
    succeeds: /^ok$/,
  },
  {
    flag: 'Tmpfs /tmp nosuid, nodev',
    attempt: 'mount /tmp so that set-uid programs and devices work',
    command: mountOptions('/tmp'),
    stopped: /^rw,nosuid,nodev,/,
    without: withTmpfs('/tmp', (options) => options.replace('nosuid,nodev', 'suid,dev')),
    succeeds: /^rw,(?!.*nosuid)(?!.*nodev)/,
  },
  {
    flag: 'Tmpfs /tmp/.sandbox size',
    attempt: 'fill the spool with bytes',
    command: write('/tmp/.sandbox/big', 20 * MIB),
    stopped: /^ENOSPC$/,
    without: withTmpfs('/tmp/.sandbox', (options) => options.replace(/,size=\d+/, '')),
    succeeds: /^ok$/,
  },
  {
    flag: 'Tmpfs /tmp/.sandbox mode, uid, gid',
    attempt: 'read the spool as another uid',
    uid: 20_000,
    command: attempt("os.listdir('/tmp/.sandbox')"),
    stopped: /^EACCES$/,
    without: withTmpfs('/tmp/.sandbox', (options) => options.replace(/,mode=.*/, ',mode=1777')),
    succeeds: /^ok$/,
  },
  {
    flag: 'Tmpfs /tmp/.sandbox noexec',
    attempt: 'run a program from the spool',
    command: attempt("import shutil; shutil.copy('/bin/true', '/tmp/.sandbox/x'); os.execv('/tmp/.sandbox/x', ['x'])"),
    stopped: /^EACCES$/,
    without: withTmpfs('/tmp/.sandbox', (options) => options.replace('noexec', 'exec')),
    succeeds: /^$/,
  },
  {
    flag: 'ShmSize',
    attempt: 'fill /dev/shm',
    command: write('/dev/shm/big', 20 * MIB),
    stopped: /^ENOSPC$/,
    without: withoutHost('ShmSize'),
    succeeds: /^ok$/,
  },
  {
    flag: 'Sysctls kernel.shm_rmid_forced',
    attempt: 'leave a System V segment behind',
    command: [
      'sh',
      '-c',
      `python3 -c 'import ctypes; l = ctypes.CDLL(None); l.shmat.restype = ctypes.c_void_p; l.shmat(l.shmget(0, 1 << 20, 0o1600), None, 0)'; tail -n +2 /proc/sysvipc/shm | wc -l`,
    ],
    stopped: /^0$/,
    without: withoutHost('Sysctls'),
    succeeds: /^1$/,
  },
  {
    flag: 'Ulimits core',
    attempt: 'allow core files',
    command: attempt('resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))'),
    stopped: /^ValueError$/,
    without: withoutUlimit('core'),
    succeeds: /^ok$/,
  },
  {
    flag: 'Ulimits nofile',
    attempt: 'open thousands of files',
    command: attempt("files = [os.open('/dev/null', 0) for _ in range(600)]"),
    stopped: /^EMFILE$/,
    without: withoutUlimit('nofile'),
    succeeds: /^ok$/,
  },
  {
    flag: 'Ulimits memlock',
    attempt: 'lock a megabyte in memory',
    command: attempt(
      'm = mmap.mmap(-1, 1 << 20); check(libc.mlock(ctypes.byref(ctypes.c_char.from_buffer(m)), 1 << 20))',
    ),
    stopped: /^(ENOMEM|EPERM)$/,
    without: withoutUlimit('memlock'),
    succeeds: /^ok$/,
  },
  {
    flag: 'Ulimits msgqueue',
    attempt: 'make a POSIX message queue',
    command: attempt("check(libc.mq_open(b'/probe', os.O_CREAT | os.O_RDWR, 0o600, None))"),
    stopped: /^EMFILE$/,
    without: withoutUlimit('msgqueue'),
    succeeds: /^ok$/,
  },
  {
    flag: 'Ulimits sigpending',
    attempt: 'queue thousands of signals',
    command: attempt(`
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN + 1])
for _ in range(1100): check(libc.sigqueue(os.getpid(), signal.SIGRTMIN + 1, ctypes.c_void_p(0)))
`),
    stopped: /^EAGAIN$/,
    without: withoutUlimit('sigpending'),
    succeeds: /^ok$/,
  },
  {
    flag: 'Ulimits fsize',
    attempt: 'write a file beyond the limit',
    // The shell tells SIGXFSZ (25) as 128 + 25.
    command: [
      'sh',
      '-c',
      'python3 -c \'import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open("/workspace/x", "wb").write(bytes(3 << 20))\'; echo $?',
    ],
    limits: { fileBytes: 2 * MIB },
    stopped: /^153$/,
    without: withoutUlimit('fsize'),
    succeeds: /^0$/,
  },
  {
    flag: 'Init',
    attempt: "have the engine's init in the supervisor's place",
    command: ['cat', '/proc/1/comm'],
    stopped: /^sleep$/,
    without: (body) => {
      body.HostConfig['Init'] = true
    },
    succeeds: /^(docker-init|tini|catatonit)$/,
  },
  {
    flag: 'CgroupnsMode',
    attempt: 'learn where the cgroup is on the host',
    command: ['sh', '-c', 'cut -d: -f3 /proc/self/cgroup | sort -u'],
    stopped: /^\/$/,
    without: (body) => {
      body.HostConfig['CgroupnsMode'] = 'host'
    },
    succeeds: /[0-9a-f]{64}/,
  },
  {
    flag: 'OomScoreAdj',
    attempt: 'have the standing of a service of the host when its memory runs out',
    command: ['cat', '/proc/1/oom_score_adj', '/proc/self/oom_score_adj'],
    stopped: /^500\n500$/,
    without: withoutHost('OomScoreAdj'),
    succeeds: /^0\n0$/,
  },
  {
    flag: 'MaskedPaths',
    attempt: 'read what the kernel tells of the host',
    command: readAll(MASKED_PATHS),
    stopped: /^(\S+ (hidden|absent)\n?)+$/,
    without: (body) => {
      body.HostConfig['MaskedPaths'] = []
    },
    succeeds: new RegExp(COMMON_MASKED.map((path) => `(?=[^]*${path} shown)`).join('')),
  },
  {
    flag: 'MaskedPaths (more than the default)',
    attempt: 'read what engines show by default',
    command: readAll(['/proc/cmdline', '/sys/block', '/sys/kernel']),
    stopped: /^(\S+ hidden\n?)+$/,
    without: withoutHost('MaskedPaths'),
    succeeds: /^(\S+ shown\n?)+$/,
  },
  ...['/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern', '/proc/irq/default_smp_affinity'].map((path): Attack => ({
    flag: 'ReadonlyPaths',
    attempt: `open ${path} for writing, as root`,
    uid: ROOT,
    command: attempt(`open('${path}', 'w')`),
    // ENOENT: a kernel without CONFIG_MAGIC_SYSRQ has nothing to protect, and the control cannot show more.
    stopped: path.includes('sysrq') ? /^(EROFS|ENOENT)$/ : /^EROFS$/,
    without: (body) => {
      body.HostConfig['ReadonlyPaths'] = []
    },
    succeeds: path.includes('sysrq') ? /^(ok|ENOENT)$/ : /^ok$/,
  })),
  {
    flag: 'Privileged',
    attempt: 'see the disks of the host',
    uid: ROOT,
    command: ['sh', '-c', 'find /dev -type b | wc -l'],
    stopped: /^0$/,
    without: (body) => {
      body.HostConfig['Privileged'] = true
    },
    succeeds: /^[1-9]/,
  },
  {
    flag: 'Privileged',
    attempt: 'change its own cgroup, as root',
    uid: ROOT,
    command: attempt(`
path = '/sys/fs/cgroup/memory/cgroup.procs' if os.path.exists('/sys/fs/cgroup/memory') else '/sys/fs/cgroup/cgroup.procs'
os.close(os.open(path, os.O_WRONLY))
`),
    stopped: /^EROFS$/,
    without: (body) => {
      body.HostConfig['Privileged'] = true
    },
    succeeds: /^ok$/,
  },
]

/** A user other than root has no capabilities to begin with. */
function asRoot(body: LooseBody): void {
  body.User = '0:0'
}

function online(body: LooseBody): void {
  body['NetworkDisabled'] = false
  body.HostConfig['NetworkMode'] = 'bridge'
}
