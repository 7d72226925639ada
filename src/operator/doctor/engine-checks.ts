import type { EngineInfo } from '../../engine/engine.ts'
import { formatBytes } from '../../lib/units.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** What the profile of a sandbox needs of the engine and its kernel, and what makes it stronger. */
export function engineChecks(info: EngineInfo, ociRuntime: string): readonly Finding[] {
  return [
    ok('machine', `${info.platform}, ${info.cpus} CPUs, ${formatBytes(info.memoryBytes)}`),
    info.seccomp
      ? ok('seccomp', 'on')
      : fail('seccomp', 'off', 'Use a kernel and an engine with seccomp: sandboxes are refused without it.'),
    cgroupCheck(info),
    info.userNamespaces
      ? ok('user namespaces', 'root in a container is not root of the host')
      : warn(
          'user namespaces',
          'off',
          'Set userns-remap in the engine’s daemon.json: a fault of the kernel then gives no root.',
        ),
    ociRuntimeCheck(info, ociRuntime),
    info.liveRestore
      ? ok('live restore', 'on')
      : warn('live restore', 'off', 'Set live-restore in daemon.json: sandboxes then survive a restart of the engine.'),
  ]
}

function cgroupCheck({ cgroup }: EngineInfo): Finding {
  const missing = [
    ...(cgroup.memory ? [] : ['memory']),
    ...(cgroup.swap ? [] : ['swap']),
    ...(cgroup.pids ? [] : ['pids']),
  ]
  const version = `version ${cgroup.version}`
  if (missing.length === 0) return ok('cgroup limits', `${version}: memory, swap, pids`)
  return fail(
    'cgroup limits',
    `${version}: no ${missing.join(', no ')}`,
    'Switch them on (kernel arguments cgroup_enable=memory swapaccount=1): sandboxes are refused without.',
  )
}

function ociRuntimeCheck({ ociRuntimes }: EngineInfo, wanted: string): Finding {
  const known = ociRuntimes.join(', ')
  if (wanted === '') return ok('OCI runtime', `the engine’s default of ${known}`)
  if (ociRuntimes.includes(wanted)) return ok('OCI runtime', wanted)
  return fail(
    'OCI runtime',
    `${wanted} is not one of ${known}`,
    'Add it to the engine’s daemon.json, or change ociRuntime.',
  )
}
