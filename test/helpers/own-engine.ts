import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createDockerEngine, type DockerEngine } from '../../src/engine/docker/docker-engine.ts'

const run = promisify(execFile)

/** Programs that have to be there, and the right to use them. */
const PROGRAMS = ['dockerd', 'containerd', 'unshare', 'nsenter', 'mkfs.ext4']
const START_MS = 60_000
const STOP_MS = 60_000
const POLL_MS = 50

export interface OwnEngineOptions {
  /** Containers go on while the daemon is away. */
  readonly liveRestore?: boolean
  /** Bytes of a file system that has nothing but the engine's data; without it that is in a directory of the host. */
  readonly diskBytes?: number
}

/**
 * A dockerd of the test's own, which may be stopped, killed and filled up: in mount and network namespaces of its own, so that neither the
 * bridge nor the mounts of the machine's engine are its, with data, sockets and cgroups beside those of others.
 */
export interface OwnEngine extends AsyncDisposable {
  readonly socketPath: string
  readonly engine: DockerEngine
  /** Brings an image over from the machine's engine, with its name. */
  load(reference: string): Promise<void>
  /** Ends the daemon as an operator does. Resolves when it is gone. */
  stop(): Promise<void>
  /** Ends it as a crash does. */
  crash(): Promise<void>
  /** Starts it after one of these. Resolves when it answers. */
  start(options?: Pick<OwnEngineOptions, 'liveRestore'>): Promise<void>
  /** It goes on existing, and does nothing. */
  hang(): void
  resume(): void
  /** Takes all that is left on its disk, to the last block, or gives it back. Only with `diskBytes`. */
  fillDisk(): Promise<void>
  freeDisk(): Promise<void>
  /** What the API does not show: shims, mounts and cgroups of containers, one line each. */
  remains(): Promise<readonly string[]>
}

/** Why there can be none on this machine; undefined when there can. */
export async function noOwnEngine(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux'
  for (const program of PROGRAMS) {
    const isThere = await run('sh', ['-c', `command -v ${program}`]).then(
      () => true,
      () => false,
    )
    if (!isThere) return `needs ${program}`
  }
  return undefined
}

/** Starts one. Resolves when it answers. `await using` ends it with everything of it. */
export async function startOwnEngine({ liveRestore = false, diskBytes }: OwnEngineOptions = {}): Promise<OwnEngine> {
  // Short: the path of a socket has at most 107 bytes (unix(7)), and containerd's lie deep.
  const root = await mkdtemp('/var/tmp/own-')
  const data = join(root, 'data')
  mkdirSync(data)
  const holder = await holdNamespaces()
  const inside = ['nsenter', '-t', String(holder.pid), '-m', '-n', '--']
  const enter = (...command: string[]) => run(inside[0] ?? '', [...inside.slice(1), ...command])
  if (diskBytes !== undefined) {
    await run('truncate', ['-s', String(diskBytes), join(root, 'disk')])
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', join(root, 'disk')])
    await enter('mount', '-o', 'loop', join(root, 'disk'), data)
  }
  const cgroup = `own-${holder.pid}`
  const socketPath = join(root, 'd.sock')
  const pidfile = join(root, 'pid')
  const containerdPid = join(root, 'x/containerd/containerd.pid')
  const filler = join(data, 'filler')
  const engine = createDockerEngine({ address: { source: 'test', socketPath } })
  const log = join(root, 'log')
  let daemon: ChildProcess | undefined
  let restoring = liveRestore

  const launch = async (): Promise<void> => {
    rmSync(pidfile, { force: true })
    // After a crash: its containerd dies with it, and one that nobody has waited for yet would be taken for a living one.
    await holds(() => !isAlive(readPid(containerdPid)))
    rmSync(containerdPid, { force: true })
    const output = openSync(log, 'a')
    const words = [
      ['--host', `unix://${socketPath}`],
      ['--data-root', data],
      ['--exec-root', join(root, 'x')],
      ['--pidfile', pidfile],
      ['--cgroup-parent', `/${cgroup}`],
      ['--bridge', 'none', '--iptables=false', '--ip6tables=false', `--live-restore=${restoring}`],
    ].flat()
    const launched = spawn(inside[0] ?? '', [...inside.slice(1), 'dockerd', ...words], {
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    daemon = launched
    const until = performance.now() + START_MS
    for (;;) {
      const answers = await engine.ping({ deadlineMs: 1000 }).then(
        () => true,
        () => false,
      )
      if (answers) return
      if (launched.exitCode !== null || performance.now() > until) {
        throw new Error(`the own engine does not start:\n${readFileSync(log, 'utf8').slice(-4000)}`)
      }
      await delay(POLL_MS)
    }
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = daemon
    daemon = undefined
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const gone = once(ending, 'close')
    ending.kill(signal)
    const timer = setTimeout(() => ending.kill('SIGKILL'), STOP_MS)
    await gone
    clearTimeout(timer)
  }

  /** Ends all of it, also what a daemon that crashed has left. */
  const clean = async (): Promise<void> => {
    await engine.close()
    await end('SIGTERM')
    for (const pid of processesOf(holder)) process.kill(pid, 'SIGKILL')
    await holds(() => processesOf(holder).length === 0)
    await release(holder)
    await removeCgroups(cgroup)
    await rm(root, { recursive: true, force: true })
  }

  try {
    await launch()
  } catch (error) {
    await clean()
    throw error
  }
  return {
    socketPath,
    engine,
    async load(reference) {
      await run('sh', ['-c', 'docker save "$1" | docker -H "unix://$2" load', 'sh', reference, socketPath])
    },
    stop: () => end('SIGTERM'),
    crash: () => end('SIGKILL'),
    async start(options = {}) {
      restoring = options.liveRestore ?? restoring
      await launch()
    },
    hang: () => void daemon?.kill('SIGSTOP'),
    resume: () => void daemon?.kill('SIGCONT'),
    async fillDisk() {
      // Ends with "no space left": that is what it is for.
      const dd = (size: string) => `dd if=/dev/zero bs=${size} >> ${filler} 2>/dev/null; sync ${filler}`
      // Large pieces first; the last blocks only small ones take.
      await enter('sh', '-c', [dd('1M'), dd('4k'), dd('512')].join('; '))
    },
    async freeDisk() {
      await enter('rm', '-f', filler)
    },
    remains: () => remainsOf(holder, root, cgroup),
    async [Symbol.asyncDispose]() {
      daemon?.kill('SIGCONT')
      const containers = await engine.containers.list({}).catch(() => [])
      await Promise.all(containers.map(({ id }) => engine.containers.remove(id).catch(() => {})))
      await clean()
    },
  }
}

/** A process that keeps the namespaces while there is no daemon. Its containerd has its shims' sockets apart from those of the machine's. */
async function holdNamespaces(): Promise<ChildProcess & { readonly pid: number }> {
  const script = 'mkdir -p /run/containerd && mount -t tmpfs none /run/containerd && echo ready && exec sleep infinity'
  const holder = spawn('unshare', ['-m', '-n', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await Promise.race([
    once(holder.stdout, 'data'),
    once(holder, 'exit').then(() => Promise.reject(new Error('no namespaces'))),
  ])
  if (holder.pid === undefined) throw new Error('no namespaces')
  return holder as unknown as ChildProcess & { readonly pid: number }
}

async function release(holder: ChildProcess): Promise<void> {
  const gone = once(holder, 'exit')
  holder.kill('SIGKILL')
  await gone
}

/** Processes in the holder's mount namespace, but for itself: the daemon's, and shims that it left. Containers have namespaces of their own. */
function processesOf(holder: { readonly pid: number }): number[] {
  const namespaceOf = (pid: number | string): string => {
    try {
      return readlinkSync(`/proc/${pid}/ns/mnt`)
    } catch {
      // It ended meanwhile.
      return ''
    }
  }
  const ours = namespaceOf(holder.pid)
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && namespaceOf(name) === ours)
    .map(Number)
    .filter((pid) => pid !== holder.pid)
}

async function remainsOf(holder: { readonly pid: number }, root: string, cgroup: string): Promise<readonly string[]> {
  const { stdout } = await run('nsenter', ['-t', String(holder.pid), '-m', '--', 'cat', '/proc/self/mountinfo'])
  const mounts = stdout
    .split('\n')
    .filter((line) => line.includes(`${root}/`) && /overlay2|\/x\/|containers/.test(line))
  const shims = processesOf(holder)
    .map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '))
    .filter((line) => /containerd-shim|runc/.test(line))
  const groups = cgroupsOf(cgroup).flatMap((path) =>
    readdirSync(path, { withFileTypes: true }).flatMap((each) => (each.isDirectory() ? [join(path, each.name)] : [])),
  )
  return [
    ...mounts.map((line) => `mount ${line.split(' ')[4]}`),
    ...shims.map((line) => `process ${line.slice(0, 80)}`),
    ...groups.map((path) => `cgroup ${path}`),
  ]
}

/** The cgroup of all its containers, in each hierarchy (version 1) or the one (version 2). */
function cgroupsOf(name: string): string[] {
  const top = '/sys/fs/cgroup'
  const places = [
    '.',
    ...readdirSync(top, { withFileTypes: true }).flatMap((each) => (each.isDirectory() ? [each.name] : [])),
  ]
  return places.map((place) => join(top, place, name)).filter((path) => isDirectory(path))
}

function isDirectory(path: string): boolean {
  try {
    readdirSync(path)
    return true
  } catch {
    return false
  }
}

async function removeCgroups(name: string): Promise<void> {
  for (const path of cgroupsOf(name)) await run('find', [path, '-depth', '-type', 'd', '-delete'])
}

function readPid(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8'))
  } catch {
    // It was removed at an orderly end.
    return undefined
  }
}

/** False for a zombie too (proc_pid_stat(5)). */
function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function holds(condition: () => boolean): Promise<void> {
  const end = performance.now() + STOP_MS
  while (!condition()) {
    if (performance.now() > end) throw new Error('what ends with the own engine is still there')
    await delay(POLL_MS)
  }
}
