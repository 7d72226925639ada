/*
 * Attempts each system call that a sandbox must not have, with arguments that do no harm where the call is allowed: a pointer, a
 * descriptor or a flag that the kernel rejects. Prints a line per call: its name, and "ok", the name of the error, or the signal
 * that ended it. EPERM or ENOSYS: refused before the kernel looked. Anything else: the call was reached.
 *
 *   calls            all of them
 *   calls euid       prints the effective uid (run from a set-uid copy)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAD ((void *)1)

static const char *error_name(int error) {
  switch (error) {
  case EPERM: return "EPERM";
  case ENOENT: return "ENOENT";
  case ESRCH: return "ESRCH";
  case EBADF: return "EBADF";
  case ENOMEM: return "ENOMEM";
  case EACCES: return "EACCES";
  case EFAULT: return "EFAULT";
  case EINVAL: return "EINVAL";
  case ENOSYS: return "ENOSYS";
  case EOPNOTSUPP: return "EOPNOTSUPP";
  case EAFNOSUPPORT: return "EAFNOSUPPORT";
  case EPROTONOSUPPORT: return "EPROTONOSUPPORT";
  case ESOCKTNOSUPPORT: return "ESOCKTNOSUPPORT";
  default: {
    static char text[16];
    snprintf(text, sizeof text, "E%d", error);
    return text;
  }
  }
}

/* clone and clone3 return twice: the child ends at once. */
static long clone_with(unsigned long flags) {
  long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid((pid_t)pid, NULL, 0);
  return pid;
}

static long clone3_with(uint64_t flags) {
  uint64_t args[11] = {flags, 0, 0, 0, SIGCHLD};
  long pid = syscall(SYS_clone3, args, sizeof args);
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid((pid_t)pid, NULL, 0);
  return pid;
}

static long make_node(mode_t type) {
  long result = mknod("/tmp/probe-node", type | 0600, makedev(1, 3));
  int error = errno;
  unlink("/tmp/probe-node");
  errno = error;
  return result;
}

/* getpid by the i386 entry, whose calls no filter for x86-64 sees the arguments of. */
static long int80(void) {
#ifdef __x86_64__
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
  if (result > 0) return 0;
  errno = (int)-result;
  return -1;
#else
  errno = ENOSYS;
  return -1;
#endif
}

/* socket(AF_VSOCK) by i386 socketcall(2), with its arguments in memory below 4 GiB. */
static long socketcall_vsock(void) {
#ifdef __x86_64__
  uint32_t *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (args == MAP_FAILED) return -1;
  args[0] = AF_VSOCK;
  args[1] = SOCK_STREAM;
  args[2] = 0;
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(102), "b"(1), "c"(args) : "memory");
  if (result >= 0) return 0;
  errno = (int)-result;
  return -1;
#else
  errno = ENOSYS;
  return -1;
#endif
}

#define TRY(name, expression) \
  do { \
    fflush(stdout); \
    pid_t child = fork(); \
    if (child == 0) { \
      errno = 0; \
      long result = (long)(expression); \
      printf("%s %s\n", name, result == -1 ? error_name(errno) : "ok"); \
      fflush(stdout); \
      _exit(0); \
    } \
    int status = 0; \
    if (child == -1) printf("%s fork-failed\n", name); \
    else { \
      waitpid(child, &status, 0); \
      if (WIFSIGNALED(status)) printf("%s SIG%d\n", name, WTERMSIG(status)); \
    } \
  } while (0)

#define CALL(name, ...) TRY(#name, syscall(SYS_##name, __VA_ARGS__))
#define SOCKET(family) TRY("socket:" #family, socket(family, SOCK_RAW, 0))

/* Newer than the headers of some C libraries; the numbers are the same on all architectures. */
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_set_mempolicy_home_node
#define SYS_set_mempolicy_home_node 450
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "euid") == 0) {
    printf("%d\n", (int)geteuid());
    return 0;
  }
  char page[64] = {0};

  CALL(acct, BAD);
  CALL(add_key, "user", "probe", "x", 1L, -1L);
  CALL(adjtimex, BAD);
  CALL(bpf, 0L, BAD, 16L);
  CALL(chroot, BAD);
  CALL(clock_adjtime, 9999L, BAD);
  CALL(clock_settime, 9999L, BAD);
  CALL(delete_module, BAD, 0L);
  CALL(fanotify_init, -1L, 0L);
  CALL(fanotify_mark, -1L, -1L, 0L, -1L, BAD);
  CALL(finit_module, -1L, BAD, 0L);
  CALL(fsconfig, -1L, 99L, 0L, 0L, 0L);
  CALL(fsmount, -1L, 0L, 0L);
  CALL(fsopen, BAD, 0L);
  CALL(fspick, -1L, BAD, 0L);
  CALL(get_mempolicy, BAD, 0L, 0L, 0L, 0L);
  CALL(init_module, BAD, 1L, BAD);
  CALL(io_uring_enter, -1L, 0L, 0L, 0L, 0L, 0L);
  CALL(io_uring_register, -1L, 0L, 0L, 0L);
  CALL(io_uring_setup, 1L, BAD);
#ifdef __x86_64__
  CALL(ioperm, 0x100000L, 1L, 1L);
  CALL(iopl, 99L);
  CALL(modify_ldt, 0L, page, (long)sizeof page);
#endif
  CALL(kcmp, (long)getpid(), (long)getpid(), 0L, 0L, 0L);
#ifdef SYS_kexec_file_load
  CALL(kexec_file_load, -1L, -1L, 0L, BAD, -1L);
#endif
  CALL(kexec_load, 0L, 0L, BAD, -1L);
  CALL(keyctl, 9999L, 0L, 0L, 0L, 0L);
  CALL(mbind, 0L, 4096L, 99L, 0L, 0L, 0L);
  CALL(memfd_secret, -1L);
  CALL(migrate_pages, -1L, 0L, 0L, 0L);
  CALL(mount, BAD, BAD, BAD, 0L, BAD);
  CALL(mount_setattr, -1L, BAD, 0L, BAD, 0L);
  CALL(move_mount, -1L, BAD, -1L, BAD, 0L);
  CALL(move_pages, -1L, 0L, 0L, 0L, 0L, 99L);
  CALL(name_to_handle_at, -1L, BAD, BAD, BAD, 0L);
  CALL(open_by_handle_at, -1L, BAD, 0L);
  CALL(open_tree, -1L, BAD, 0L);
  CALL(perf_event_open, BAD, 0L, -1L, -1L, 0L);
  CALL(pidfd_getfd, -1L, 0L, 0L);
  CALL(pivot_root, BAD, BAD);
  CALL(process_madvise, -1L, 0L, 0L, 0L, 0L);
  CALL(process_vm_readv, (long)getpid(), BAD, 1L, BAD, 1L, 0L);
  CALL(process_vm_writev, (long)getpid(), BAD, 1L, BAD, 1L, 0L);
  CALL(quotactl, -1L, BAD, 0L, BAD);
  CALL(quotactl_fd, -1L, 0L, 0L, 0L);
  CALL(reboot, 0L, 0L, 0L, 0L);
  CALL(request_key, "user", "probe-none", 0L, 0L);
  CALL(set_mempolicy, 99L, 0L, 0L);
  CALL(set_mempolicy_home_node, 1L, 0L, 0L, 0L);
  CALL(setdomainname, BAD, 4L);
  CALL(sethostname, BAD, 4L);
  CALL(setns, -1L, 0L);
  CALL(settimeofday, BAD, 0L);
  CALL(swapoff, BAD);
  CALL(swapon, BAD, 0L);
  CALL(syslog, 99L, 0L, 0L);
  CALL(umount2, BAD, 0L);
  CALL(unshare, (long)CLONE_NEWUSER);
  CALL(userfaultfd, 1L);

  TRY("clone:NEWUSER", clone_with(CLONE_NEWUSER));
  TRY("clone:NEWNS", clone_with(CLONE_NEWNS));
  TRY("clone:NEWPID", clone_with(CLONE_NEWPID));
  TRY("clone:NEWNET", clone_with(CLONE_NEWNET));
  TRY("clone:NEWIPC", clone_with(CLONE_NEWIPC));
  TRY("clone:NEWUTS", clone_with(CLONE_NEWUTS));
  TRY("clone:NEWCGROUP", clone_with(CLONE_NEWCGROUP));
  TRY("clone3:NEWUSER", clone3_with(CLONE_NEWUSER));
  TRY("personality:READ_IMPLIES_EXEC", syscall(SYS_personality, 0x0400000L));
  TRY("mknod:character-device", make_node(S_IFCHR));
  TRY("mknod:block-device", make_node(S_IFBLK));
  SOCKET(AF_PACKET);
  SOCKET(AF_VSOCK);
  TRY("socket:AF_VSOCK-stream", socket(AF_VSOCK, SOCK_STREAM, 0));
  TRY("socket:AF_ALG", socket(AF_ALG, SOCK_SEQPACKET, 0));
  SOCKET(AF_KEY);
  SOCKET(AF_TIPC);
  SOCKET(AF_RDS);
  SOCKET(AF_CAN);
  SOCKET(AF_BLUETOOTH);
  SOCKET(AF_NFC);
  TRY("socket:NETLINK_NETFILTER", socket(AF_NETLINK, SOCK_RAW, 12));
  TRY("socketpair:AF_TIPC", socketpair(AF_TIPC, SOCK_STREAM, 0, (int[2]){0, 0}));
  TRY("i386:getpid", int80());
  TRY("i386:socketcall-AF_VSOCK", socketcall_vsock());

  /* What programs need. */
  TRY("allowed:socket-AF_UNIX", socket(AF_UNIX, SOCK_STREAM, 0));
  TRY("allowed:socket-AF_INET", socket(AF_INET, SOCK_STREAM, 0));
  TRY("allowed:socket-AF_INET6", socket(AF_INET6, SOCK_DGRAM, 0));
  TRY("allowed:socket-NETLINK_ROUTE", socket(AF_NETLINK, SOCK_RAW, 0));
  TRY("allowed:socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0, 0}));
  TRY("allowed:mkfifo", make_node(S_IFIFO));
  TRY("allowed:mknod-socket", make_node(S_IFSOCK));
  TRY("allowed:ptrace-traceme", ptrace(PTRACE_TRACEME, 0, 0, 0));
  TRY("allowed:personality-query", syscall(SYS_personality, 0xffffffffL));
  TRY("allowed:personality-no-randomize", syscall(SYS_personality, 0x0040000L));
  TRY("allowed:clone-thread-flags", clone_with(0));
  TRY("allowed:memfd_create", memfd_create("probe", 0));
  return 0;
}
