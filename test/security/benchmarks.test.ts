import type Docker from 'dockerode'
import { beforeAll, describe, expect, test } from 'vitest'
import { useDocker } from '../helpers/docker.ts'
import { rawDocker } from '../helpers/raw-docker.ts'

/**
 * Two public checklists, asked of what the engine itself says about a sandbox: the Kubernetes Pod Security Standard "restricted"
 * (https://kubernetes.io/docs/concepts/security/pod-security-standards/) and section 5, container runtime, of the CIS Docker
 * Benchmark 1.6. Left out, with the reason: 5.2 AppArmor and 5.3 SELinux are the host's own (the engine applies its default where
 * the kernel has one); 5.7 no sshd and 5.28 image freshness are about images; 5.27 health checks: the supervisor's connection is one.
 */
type Inspect = Docker.ContainerInspectInfo
interface Rule {
  readonly name: string
  holds(inspect: Inspect): boolean
  /** A change by which the rule has to fail. */
  breakIt(inspect: Inspect): void
}

const RULES: readonly Rule[] = [
  {
    name: 'PSS, CIS 5.5: not privileged',
    holds: ({ HostConfig }) => HostConfig.Privileged === false,
    breakIt: ({ HostConfig }) => (HostConfig.Privileged = true),
  },
  {
    name: 'PSS, CIS 5.10, 5.16, 5.17, 5.21, 5.31: no namespace of the host',
    holds: ({ HostConfig }) =>
      [
        HostConfig.NetworkMode,
        HostConfig.PidMode,
        HostConfig.IpcMode,
        hostConfig(HostConfig, 'UTSMode'),
        HostConfig.UsernsMode,
      ].every((mode) => mode !== 'host'),
    breakIt: ({ HostConfig }) => (HostConfig.PidMode = 'host'),
  },
  {
    name: 'CIS 5.17: IPC is private',
    holds: ({ HostConfig }) => HostConfig.IpcMode === 'private',
    breakIt: ({ HostConfig }) => (HostConfig.IpcMode = 'shareable'),
  },
  {
    name: 'PSS, CIS 5.6, 5.32: volumes only, nothing of the host',
    holds: ({ Mounts, HostConfig }) => Mounts.every(({ Type }) => Type === 'volume') && isEmpty(HostConfig.Binds),
    breakIt: ({ Mounts }) => Object.assign(Mounts[0] ?? {}, { Type: 'bind', Source: '/var/run/docker.sock' }),
  },
  {
    name: 'CIS 5.20: no shared mount propagation',
    holds: ({ Mounts }) => Mounts.every(({ Propagation }) => !/shared/.test(Propagation ?? '')),
    breakIt: ({ Mounts }) => Object.assign(Mounts[0] ?? {}, { Propagation: 'rshared' }),
  },
  {
    name: 'PSS, CIS 5.8, 5.9, 5.14: no port of the host',
    holds: ({ HostConfig, NetworkSettings }) =>
      isEmpty(HostConfig.PortBindings as object) &&
      HostConfig.PublishAllPorts === false &&
      isEmpty(NetworkSettings.Ports),
    breakIt: ({ HostConfig }) => (HostConfig.PortBindings = { '80/tcp': [{ HostPort: '80' }] }),
  },
  {
    name: 'CIS 5.30: not on the default bridge',
    holds: ({ HostConfig }) => HostConfig.NetworkMode === 'none',
    breakIt: ({ HostConfig }) => (HostConfig.NetworkMode = 'default'),
  },
  {
    name: 'PSS, CIS 5.4: every capability dropped, none added',
    holds: ({ HostConfig }) => HostConfig.CapDrop?.includes('ALL') === true && isEmpty(HostConfig.CapAdd),
    breakIt: ({ HostConfig }) => (HostConfig.CapAdd = ['CAP_NET_RAW']),
  },
  {
    name: 'PSS: /proc is masked',
    holds: ({ HostConfig }) =>
      (HostConfig.MaskedPaths?.length ?? 0) >= 10 && (HostConfig.ReadonlyPaths?.length ?? 0) >= 5,
    breakIt: ({ HostConfig }) => (HostConfig.MaskedPaths = []),
  },
  {
    name: 'PSS, CIS 5.22: a seccomp profile',
    holds: ({ HostConfig }) =>
      HostConfig.SecurityOpt?.some(
        (option: string) => option.startsWith('seccomp=') && option !== 'seccomp=unconfined',
      ) === true,
    breakIt: ({ HostConfig }) => (HostConfig.SecurityOpt = ['no-new-privileges', 'seccomp=unconfined']),
  },
  {
    name: 'PSS, CIS 5.26: no new privileges',
    holds: ({ HostConfig }) =>
      HostConfig.SecurityOpt?.some((option: string) => /^no-new-privileges(:true)?$/.test(option)) === true,
    breakIt: ({ HostConfig }) => (HostConfig.SecurityOpt = ['no-new-privileges:false']),
  },
  {
    name: 'PSS: only sysctls of its own namespaces',
    holds: ({ HostConfig }) =>
      Object.keys((hostConfig(HostConfig, 'Sysctls') as object) ?? {}).every(
        (name) => name === 'kernel.shm_rmid_forced',
      ),
    breakIt: ({ HostConfig }) => Object.assign(HostConfig, { Sysctls: { 'kernel.msgmax': '1' } }),
  },
  {
    name: 'PSS, CIS 5.24: a user that is not root',
    holds: ({ Config }) => /^[1-9]\d*:[1-9]\d*$/.test(Config.User),
    breakIt: ({ Config }) => (Config.User = '20001'),
  },
  {
    name: 'CIS 5.11: memory is limited, swap too',
    holds: ({ HostConfig }) => (HostConfig.Memory ?? 0) > 0 && HostConfig.MemorySwap === HostConfig.Memory,
    breakIt: ({ HostConfig }) => (HostConfig.MemorySwap = -1),
  },
  {
    name: 'CIS 5.12: CPU is limited',
    holds: ({ HostConfig }) => (HostConfig.NanoCpus ?? 0) > 0,
    breakIt: ({ HostConfig }) => (HostConfig.NanoCpus = 0),
  },
  {
    name: 'CIS 5.29: processes are limited',
    holds: ({ HostConfig }) => (HostConfig.PidsLimit ?? 0) > 0,
    breakIt: ({ HostConfig }) => (HostConfig.PidsLimit = -1),
  },
  {
    name: 'CIS 5.13: the root file system is read-only',
    holds: ({ HostConfig }) => HostConfig.ReadonlyRootfs === true,
    breakIt: ({ HostConfig }) => (HostConfig.ReadonlyRootfs = false),
  },
  {
    name: 'CIS 5.15: is not restarted for ever',
    holds: ({ HostConfig }) => HostConfig.RestartPolicy?.Name === 'no',
    breakIt: ({ HostConfig }) => (HostConfig.RestartPolicy = { Name: 'always' }),
  },
  {
    name: 'CIS 5.18: no device of the host',
    holds: ({ HostConfig }) => isEmpty(HostConfig.Devices) && isEmpty(HostConfig.DeviceRequests),
    breakIt: ({ HostConfig }) => (HostConfig.Devices = [{ PathOnHost: '/dev/kvm' }]),
  },
  {
    name: 'CIS 5.19: own ulimits, and none per uid',
    holds: ({ HostConfig }) => {
      const names = (HostConfig.Ulimits ?? []).map(({ Name }) => Name)
      return names.includes('nofile') && names.includes('core') && !names.includes('nproc')
    },
    breakIt: ({ HostConfig }) => (HostConfig.Ulimits = [{ Name: 'nproc', Soft: 60, Hard: 60 }]),
  },
  {
    name: 'CIS 5.25: no cgroup chosen from outside',
    holds: ({ HostConfig }) => !HostConfig.CgroupParent,
    breakIt: ({ HostConfig }) => (HostConfig.CgroupParent = '/'),
  },
]

const docker = useDocker()
let inspect: Inspect
beforeAll(async () => {
  const { id } = await docker.container()
  inspect = await rawDocker(docker.address).getContainer(id).inspect()
})

describe('a sandbox, as the engine describes it', () => {
  test.for(RULES)('keeps the rule $name, which can be broken', ({ holds, breakIt }) => {
    expect(holds(inspect)).toBe(true)
    const broken = structuredClone(inspect)
    breakIt(broken)
    expect(holds(broken), 'the rule notices a breach').toBe(false)
  })
})

function isEmpty(value: object | null | undefined): boolean {
  return Object.keys(value ?? {}).length === 0
}

/** A field that the types of dockerode do not know. */
function hostConfig(config: Docker.HostConfig, name: string): unknown {
  return (config as Record<string, unknown>)[name]
}
