import type { ContainerSpec } from '../engine.ts'
import { BIND_PROPAGATION } from '../verify.ts'
import { MASKED_PATHS, READONLY_PATHS } from './hidden-paths.ts'
import { seccompProfile } from './seccomp.ts'

/** Facts of the image that the body depends on. */
export interface SpecImage {
  /** "sha256:…" */
  readonly id: string
  /** Its ENV lines, "NAME=value". */
  readonly env: readonly string[]
}

/** The body of `POST /containers/create`. */
export type ContainerBody = ReturnType<typeof toContainerBody>

const KIB = 1024

/**
 * The create request of a sandbox, with the whole hardening profile. Pure. Every flag names the attack it stops;
 * test/security/profile.test.ts proves each one by an attack that fails, and succeeds without the flag.
 */
export function toContainerBody(spec: ContainerSpec, image: SpecImage) {
  const { limits } = spec
  const online = spec.network !== 'none'
  return {
    // An id, not a name: a tag that moves between two creates would give users different images.
    Image: image.id,
    // Root inside is root on the host for every kernel check that a namespace does not cover. A uid of its own for each user:
    // the kernel counts inotify watches, queues and pending signals per uid of the host, across containers.
    User: `${spec.uid}:${spec.gid ?? spec.uid}`,
    // The image's own entrypoint must not run: it would come before the supervisor, and may be anything.
    Entrypoint: [] as string[],
    Cmd: [...spec.command],
    Env: environment(spec.env, image.env),
    WorkingDir: spec.workDir,
    // Not the container's id, which is a handle on the engine's API.
    Hostname: 'sandbox',
    Labels: { ...spec.labels },
    // No interface but lo: no download of tools, no scan of the local network, no cloud metadata, no data out.
    NetworkDisabled: !online,
    // No terminal of the host side to inject keystrokes into (TIOCSTI, CVE-2016-2568), and no stdin that stays open.
    Tty: false,
    OpenStdin: false,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    HostConfig: {
      NetworkMode: spec.network,
      // A memory bomb ends in the sandbox's own cgroup, not in the host's out-of-memory killer.
      Memory: limits.memoryBytes,
      // Equal to Memory: unset would allow as much again in swap, and a thrashing host.
      MemorySwap: limits.memoryBytes,
      // An endless loop takes its share of the CPU, and no more.
      NanoCpus: Math.round(limits.cpus * 1e9),
      // A fork bomb stops here. Not the nproc rlimit: that one is counted per uid of the host.
      PidsLimit: limits.pids,
      // Most known escapes need one: CAP_SYS_ADMIN (mount, release_agent), CAP_SYS_MODULE, CAP_DAC_READ_SEARCH (shocker),
      // CAP_NET_RAW (ARP spoofing), CAP_MKNOD (raw disks), CAP_SYS_PTRACE.
      CapDrop: ['ALL'],
      CapAdd: [] as string[],
      Privileged: false,
      SecurityOpt: [
        // A set-uid or file-capability binary gives no rights: no way from the user to root by su, sudo, ping or a planted file.
        'no-new-privileges:true',
        `seccomp=${JSON.stringify(seccompProfile())}`,
      ],
      // No write outside the volume and tmpfs: nobody changes the programs that a later command, or runc at exec
      // (CVE-2019-5736), runs; and the image's layer cannot fill the host's disk.
      ReadonlyRootfs: true,
      Tmpfs: {
        // nosuid, nodev: no planted set-uid program or device node. nr_inodes: a million empty files fill the kernel's memory
        // that no byte size counts. exec: builds run what they make here, and the workspace allows it anyway.
        '/tmp': `rw,exec,nosuid,nodev,size=${limits.tmpBytes},nr_inodes=16k,mode=1777`,
        // Spooled output, apart from /tmp so that neither can fill the other; no other uid (the bridge's) reads it.
        '/tmp/.sandbox': `rw,noexec,nosuid,nodev,size=${limits.spoolBytes},nr_inodes=16k,mode=0700,uid=${spec.uid},gid=${spec.gid ?? spec.uid}`,
      },
      // /dev/shm counts as memory; its default of 64 MiB may be most of a small sandbox.
      ShmSize: limits.shmBytes,
      // System V segments outlive their process and ignore ShmSize: without this a sandbox stays full until it is restarted.
      Sysctls: { 'kernel.shm_rmid_forced': '1' },
      Ulimits: [
        // Core files of crashing programs would fill the workspace; the default hard limit is "unlimited".
        ulimit('core', 0),
        // Descriptors pin kernel memory that the cgroup does not count in full; the default is dockerd's own, often a million.
        ulimit('nofile', limits.openFiles),
        // Locked pages cannot be reclaimed.
        ulimit('memlock', 64 * KIB),
        // POSIX queues are counted per uid of the host.
        ulimit('msgqueue', 0),
        // Queued signals too; the default is the host's number of processes.
        ulimit('sigpending', 1024),
        // One sparse or endless file cannot grow past this; SIGXFSZ (signal(7)).
        ulimit('fsize', limits.fileBytes),
      ],
      // The mount point is directly under "/", which nobody inside can write: swapping the parent of a mount point for a link is
      // how CVE-2026-41568 and CVE-2026-42306 reach the host. No path of the host, unless the operator named one to be the workspace.
      Mounts: mounts(spec),
      // The supervisor is PID 1 and reaps orphans itself; the engine's init would run with the user's rights and could be killed.
      Init: false,
      // No message queue, shared memory or cgroup path in common with other containers or the host.
      IpcMode: 'private',
      CgroupnsMode: 'private' as const,
      // Whatever PID 1 prints would go to a file on the host that nothing limits: sandboxed code wrote 70 MB a second through
      // /proc/1/fd/1 where it could.
      LogConfig: { Type: 'none', Config: {} },
      // When the host itself runs out of memory, sandboxes go first.
      OomScoreAdj: 500,
      // The server decides what starts again; a crash loop is not to be hidden.
      RestartPolicy: { Name: 'no' },
      AutoRemove: false,
      // Facts of the host and handles on its kernel, see hidden-paths.ts. Full lists, for an empty one would unmask everything.
      MaskedPaths: [...MASKED_PATHS],
      ReadonlyPaths: [...READONLY_PATHS],
      ...(spec.ociRuntime !== undefined && { Runtime: spec.ociRuntime }),
    },
    // A PID 1 that ignores SIGTERM is killed after this many seconds, when the daemon shuts down.
    StopTimeout: 10,
  }
}

/**
 * The environment as the engine takes it. It adds the image's own ENV lines to what it is given; a bare name removes one (tested
 * by the engine contract), so that nothing but `env` arrives.
 */
function environment(env: Readonly<Record<string, string>>, imageEnv: readonly string[]): string[] {
  const imageNames = imageEnv.map((line) => line.split('=', 1)[0] ?? '')
  return [
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ...imageNames.filter((name) => !(name in env)),
  ]
}

function mounts({ volume, bind }: ContainerSpec) {
  if (volume) {
    // Read-only for what copies a workspace: it changes nothing in it.
    const { name, mountPath, readOnly = false } = volume
    return [{ Type: 'volume' as const, Source: name, Target: mountPath, ReadOnly: readOnly }]
  }
  if (!bind) return []
  // Alone: another file system that is mounted below the directory (a backup disk, /proc of a chroot) was not named. Private: nothing that
  // either side mounts later shows on the other. The engine makes no directory that is missing. It knows no nosuid and nodev for a bind; no
  // new privileges and no CAP_MKNOD, with the device rules of the container, stand in for them.
  const options = { Propagation: BIND_PROPAGATION, NonRecursive: true }
  return [{ Type: 'bind' as const, Source: bind.source, Target: bind.mountPath, ReadOnly: false, BindOptions: options }]
}

function ulimit(name: string, value: number) {
  return { Name: name, Soft: value, Hard: value }
}
