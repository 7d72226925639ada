/**
 * The seccomp profile of every sandbox: an allow-list of system calls, so that a call that nobody thought of is refused. It
 * differs from the engines' default profile where sandboxed code needs nothing and attackers much: no io_uring, no AF_VSOCK or
 * AF_ALG sockets, no keyrings, no file handles, no reading of other processes' memory, no 32-bit calls.
 *
 * Written against the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h, Linux 6.18).
 * A name that the engine's libseccomp does not know is skipped by runc, so newer names do no harm on older engines.
 */

/** Docker's JSON form of a profile, as `seccomp=` of SecurityOpt takes it. */
export interface SeccompProfile {
  readonly defaultAction: string
  readonly defaultErrnoRet: number
  readonly archMap: readonly { readonly architecture: string; readonly subArchitectures: readonly string[] }[]
  readonly syscalls: readonly SeccompRule[]
}

export interface SeccompRule {
  readonly names: readonly string[]
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO'
  readonly errnoRet?: number
  /** All of them must hold. */
  readonly args?: readonly SeccompArgument[]
}

export interface SeccompArgument {
  readonly index: number
  readonly value: number
  readonly valueTwo?: number
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_MASKED_EQ'
}

/** errno(3) */
const EPERM = 1
const ENOSYS = 38

/** Files, directories, attributes, notifications and their descriptors. Rights are the kernel's own checks. */
const FILES = words(`
  access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64 fallocate
  fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat
  fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init
  inotify_init1 inotify_rm_watch ioctl lchown lgetxattr link linkat listxattr listxattrat llistxattr lremovexattr lseek
  lsetxattr lstat mkdir mkdirat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read
  readahead readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir sendfile setxattr setxattrat
  splice stat statfs statx symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat utime
  utimensat utimes vmsplice write writev`)

/** Waiting for descriptors, and descriptors made for waiting. */
const POLLING = words(`
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
  pipe pipe2 poll ppoll pselect6 select signalfd signalfd4 timerfd_create timerfd_gettime timerfd_settime`)

/** Memory of the calling process. */
const MEMORY = words(`
  brk madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap mseal msync
  munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages`)

/** Processes, threads, signals, scheduling and limits. ptrace is for debuggers: the kernel limits it to the same user. */
const PROCESSES = words(`
  alarm arch_prctl capget capset execve execveat exit exit_group fork futex futex_requeue futex_wait futex_waitv futex_wake
  get_robust_list get_thread_area getcpu getegid geteuid getgid getgroups getitimer getpgid getpgrp getpid getppid
  getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get ioprio_set kill pause pidfd_open
  pidfd_send_signal prctl prlimit64 process_mrelease ptrace restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask
  rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max
  sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
  sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield set_robust_list set_thread_area
  set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid
  setrlimit setsid setuid sigaltstack tgkill time times tkill vfork wait4 waitid`)

/** Clocks (read only), timers, randomness, facts about the system. */
const SYSTEM = words(`
  clock_getres clock_gettime clock_nanosleep getrandom gettimeofday nanosleep sysinfo timer_create timer_delete
  timer_getoverrun timer_gettime timer_settime uname`)

/** Sockets once made, System V and POSIX messages. Making one is filtered by family below. */
const COMMUNICATION = words(`
  accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto
  setsockopt shutdown
  mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd
  semctl semget semop semtimedop shmat shmctl shmdt shmget`)

/** Calls by which a process gives up rights of its own. */
const SELF_CONFINEMENT = words(`landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp`)

/** Refused with EPERM, as programs expect it of calls that exist; everything else that is not allowed does not exist (ENOSYS). */
const REFUSED = words(`
  acct add_key adjtimex bpf chroot clock_adjtime clock_settime delete_module fanotify_init fanotify_mark finit_module
  fsconfig fsmount fsopen fspick get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp
  kexec_file_load kexec_load keyctl lookup_dcookie mbind memfd_secret migrate_pages modify_ldt mount mount_setattr
  move_mount move_pages name_to_handle_at nfsservctl open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root
  process_madvise process_vm_readv process_vm_writev quotactl quotactl_fd reboot request_key set_mempolicy
  set_mempolicy_home_node setdomainname sethostname setns settimeofday swapoff swapon syslog umount2 unshare userfaultfd
  vhangup`)

/** clone(2): CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET. A user namespace gives all capabilities inside, and with them most of the kernel's attack surface. */
const CLONE_NAMESPACES = 0x7e02_0000

/** socket(2): families that a program without a network card has a use for. AF_VSOCK would reach the hypervisor past network "none"; AF_ALG, AF_KEY, AF_TIPC and AF_RDS had exploitable faults. */
const AF_UNIX = 1
const AF_INET = 2
const AF_INET6 = 10
const AF_NETLINK = 16
/** netlink(7): what getifaddrs(3) asks; the other protocols are for administrators. */
const NETLINK_ROUTE = 0

/** mknod(2): everything but devices, which no user of a sandbox may make. */
const S_IFMT = 0o170_000
const FILE_TYPES_WITHOUT_DEVICE = { unspecified: 0, fifo: 0o010_000, regular: 0o100_000, socket: 0o140_000 }

/** personality(2): ask for the present one, the plain one, and without address randomisation as debuggers set it. */
const PERSONALITIES = [0xffff_ffff, 0, 0x004_0000]

/** The profile, as a fresh object. */
export function seccompProfile(): SeccompProfile {
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    // Engines before 22.06 do not know this field and answer EPERM; runc still answers ENOSYS for calls newer than the list.
    defaultErrnoRet: ENOSYS,
    // No 32-bit sub-architectures, so that their calls kill the caller: i386 socketcall(2) takes its arguments in memory, where
    // no filter sees them, and opens every socket family; and the compat entries are a rich source of kernel faults.
    archMap: [
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: [] },
      { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: [] },
    ],
    syscalls: [
      allow([...FILES, ...POLLING, ...MEMORY, ...PROCESSES, ...SYSTEM, ...COMMUNICATION, ...SELF_CONFINEMENT]),
      allow(['clone'], { index: 0, value: CLONE_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }),
      // Its flags are in memory, where no filter sees them. ENOSYS makes every C library fall back to clone.
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
      ...[AF_UNIX, AF_INET, AF_INET6].map((family) => allow(['socket'], equal(0, family))),
      allow(['socket'], equal(0, AF_NETLINK), equal(2, NETLINK_ROUTE)),
      allow(['socketpair'], equal(0, AF_UNIX)),
      ...Object.values(FILE_TYPES_WITHOUT_DEVICE).flatMap((type) => [
        allow(['mknod'], { index: 1, value: S_IFMT, valueTwo: type, op: 'SCMP_CMP_MASKED_EQ' }),
        allow(['mknodat'], { index: 2, value: S_IFMT, valueTwo: type, op: 'SCMP_CMP_MASKED_EQ' }),
      ]),
      ...PERSONALITIES.map((persona) => allow(['personality'], equal(0, persona))),
      { names: REFUSED, action: 'SCMP_ACT_ERRNO', errnoRet: EPERM },
    ],
  }
}

function allow(names: readonly string[], ...args: readonly SeccompArgument[]): SeccompRule {
  return { names, action: 'SCMP_ACT_ALLOW', ...(args.length > 0 && { args }) }
}

function equal(index: number, value: number): SeccompArgument {
  return { index, value, op: 'SCMP_CMP_EQ' }
}

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/)
}
