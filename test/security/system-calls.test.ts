import { beforeAll, describe, expect, test } from 'vitest'
import { useDocker } from '../helpers/docker.ts'
import { createProfileLab, PROBE } from '../helpers/profile-lab.ts'

/**
 * The seccomp profile alone: the probe runs as root with every capability that matters, so that nothing but the profile stands
 * between it and the kernel. The control is the same container with seccomp "unconfined".
 */
const docker = useDocker()

/** Capabilities that the calls ask for. Not "ALL": an engine that lacks one itself could not give it. */
const CAPABILITIES = [
  'SYS_ADMIN',
  'SYS_MODULE',
  'SYS_BOOT',
  'SYS_TIME',
  'SYS_RAWIO',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_CHROOT',
  'SYS_NICE',
  'SYSLOG',
  'NET_ADMIN',
  'NET_RAW',
  'MKNOD',
  'DAC_READ_SEARCH',
]

/** What the profile does by design instead of EPERM. */
const OTHER_REFUSALS: Readonly<Record<string, string>> = {
  // The C library then uses clone, whose flags can be filtered.
  'clone3:NEWUSER': 'ENOSYS',
  // 32-bit calls end the process: SIGSYS.
  'i386:getpid': 'SIG31',
  'i386:socketcall-AF_VSOCK': 'SIG31',
}

/** Attempts that even the control cannot make on some kernels, with the reason. The refusal is still asserted. */
function whyControlFails(outcome: string, name: string): string | undefined {
  if (outcome === 'ENOSYS') return `this kernel has no ${name}`
  if (outcome === 'EAFNOSUPPORT') return `this kernel has no such address family; EAFNOSUPPORT shows that it was asked`
  return undefined
}

type Outcomes = ReadonlyMap<string, string>
let hardened: Outcomes
let profileOnly: Outcomes
let unconfined: Outcomes

beforeAll(async () => {
  const lab = await createProfileLab(docker)
  const everyRight = (seccomp: (option: string) => boolean, extra: readonly string[]) =>
    lab.changed((body) => {
      const options = body.HostConfig['SecurityOpt'] as string[]
      body.User = '0:0'
      body.HostConfig['CapDrop'] = []
      body.HostConfig['CapAdd'] = CAPABILITIES
      body.HostConfig['SecurityOpt'] = [...options.filter(seccomp), ...extra]
    })
  const [whole, only, none] = await Promise.all([
    lab.hardened(),
    everyRight(() => true, []),
    everyRight((option) => !option.startsWith('seccomp='), ['seccomp=unconfined']),
  ])
  const parse = (text: string): Outcomes => new Map(text.split('\n').map((line) => line.split(' ') as [string, string]))
  hardened = parse(await whole.attack([PROBE]))
  profileOnly = parse(await only.attack([PROBE], 0))
  unconfined = parse(await none.attack([PROBE], 0))
})

/** The probe's attempts, as its source lists them. */
const ATTEMPTS = `
  acct add_key adjtimex bpf chroot clock_adjtime clock_settime delete_module fanotify_init fanotify_mark finit_module fsconfig
  fsmount fsopen fspick get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl modify_ldt kcmp
  kexec_file_load kexec_load keyctl mbind memfd_secret migrate_pages mount mount_setattr move_mount move_pages
  name_to_handle_at open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_madvise process_vm_readv
  process_vm_writev quotactl quotactl_fd reboot request_key set_mempolicy set_mempolicy_home_node setdomainname sethostname
  setns settimeofday swapoff swapon syslog umount2 unshare userfaultfd
  clone:NEWUSER clone:NEWNS clone:NEWPID clone:NEWNET clone:NEWIPC clone:NEWUTS clone:NEWCGROUP clone3:NEWUSER
  personality:READ_IMPLIES_EXEC mknod:character-device mknod:block-device
  socket:AF_PACKET socket:AF_VSOCK socket:AF_VSOCK-stream socket:AF_ALG socket:AF_KEY socket:AF_TIPC socket:AF_RDS
  socket:AF_CAN socket:AF_BLUETOOTH socket:AF_NFC socket:NETLINK_NETFILTER socketpair:AF_TIPC
  i386:getpid i386:socketcall-AF_VSOCK`
  .trim()
  .split(/\s+/)

describe('the seccomp profile', () => {
  test.for(ATTEMPTS)('refuses %s, which is reached without it', async (name, { annotate }) => {
    const refusal = OTHER_REFUSALS[name] ?? 'EPERM'
    expect(profileOnly.get(name), 'as root with capabilities').toBe(refusal)
    expect(hardened.get(name), 'in a sandbox').toBe(refusal)

    const control = unconfined.get(name) ?? 'not attempted'
    expect(control, 'without the profile').not.toMatch(/^(EPERM|SIG.*|fork-failed|not attempted)$/)
    const reason = whyControlFails(control, name)
    if (reason) await annotate(`the control cannot succeed: ${reason}`, 'notice')
  })

  test('lets through what programs need', () => {
    const needed = [...hardened].filter(([name]) => name.startsWith('allowed:'))
    expect(needed.length).toBeGreaterThan(10)
    expect(needed.filter(([, outcome]) => outcome !== 'ok')).toEqual([])
  })

  test('is asked about every attempt that the probe makes', () => {
    const attempted = [...hardened.keys()].filter((name) => !name.startsWith('allowed:'))
    expect(attempted.toSorted()).toEqual(ATTEMPTS.toSorted())
  })
})
