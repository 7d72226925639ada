import * as z from 'zod'
import { formatBytes, formatDuration } from '../lib/units.ts'
import type { SandboxFacts } from '../sandbox/facts.ts'
import type { SystemInventory } from '../sandbox/inventory.ts'
import type { Space } from '../sandbox/space.ts'
import type { DiskUse, SandboxUse } from '../sandbox/use.ts'
import { tenths } from './render/command-state.ts'
import { footerLine } from './render/text.ts'
import { defineTool } from './tool.ts'

const numbers = z.record(z.string(), z.number())

export const sandboxInfo = defineTool({
  name: 'sandbox_info',
  title: 'Describe the sandbox',
  description:
    'What the sandbox is: runtime and its packages, image, OS, versions of languages and tools, limits and present use of CPU, memory, ' +
    'disk and processes, network, and when it goes to sleep.',
  effect: { readOnly: true, destructive: false, idempotent: true, reachesNetwork: false },
  input: z.strictObject({}),
  output: z.object({
    state: z.enum(['ready', 'busy']),
    mode: z.enum(['persistent', 'ephemeral', 'bind', 'attach']),
    runtime: z.string(),
    description: z.string(),
    packages: z.record(z.string(), z.array(z.string())),
    image: z.string(),
    digest: z.string(),
    os: z.string().optional(),
    architecture: z.string().optional(),
    versions: z.record(z.string(), z.string()),
    network: z.enum(['none', 'bridge']),
    limits: numbers,
    use: numbers,
    idle_timeout_s: z.number(),
    sleeps_at: z.string().optional(),
  }),

  async run(_args, { sandbox, signal }) {
    const { facts } = sandbox
    const use = await sandbox.use.measure(signal)
    const system = await sandbox.inventory.system(signal)
    const state = use.running > 0 ? ('busy' as const) : ('ready' as const)
    // This call is a use: the time begins anew with it.
    const sleepsAt =
      facts.idleTimeoutMs > 0 && state === 'ready' ? isoTime(Date.now() + facts.idleTimeoutMs) : undefined
    return {
      text: describe(facts, use, system, sandbox.space).join('\n'),
      footer: footerLine([
        state === 'busy' ? `busy: ${use.running} running` : 'ready',
        `up for ${formatDuration(use.uptimeMs)}`,
        facts.idleTimeoutMs > 0 ? `sleeps after ${formatDuration(facts.idleTimeoutMs)} without use` : 'never sleeps',
        sleepsAt && `at ${sleepsAt} at the earliest`,
      ]),
      structured: {
        state,
        mode: facts.mode,
        runtime: facts.runtime,
        description: facts.description,
        packages: Object.fromEntries(facts.packages.map(({ manager, packages }) => [manager, [...packages]])),
        image: facts.imageId,
        digest: facts.digest,
        ...(system.os === undefined ? {} : { os: system.os }),
        ...(system.architecture === undefined ? {} : { architecture: system.architecture }),
        versions: system.programs,
        network: facts.network,
        limits: limits(facts, use, sandbox.space),
        use: present(use),
        idle_timeout_s: facts.idleTimeoutMs / 1000,
        ...(sleepsAt === undefined ? {} : { sleeps_at: sleepsAt }),
      },
    }
  },
})

/** What is worth saying of a mode. */
const MODES: Readonly<Partial<Record<SandboxFacts['mode'], string>>> = {
  ephemeral: 'Mode: ephemeral. Each call has a sandbox of its own; nothing but the files outlives it.',
  bind: 'Mode: bind. The workspace is a directory of the operator’s machine: what is changed or deleted here is so there.',
  attach: 'Mode: attach. This is a container of the operator’s, with the limits and protections that it has, if any.',
}

function describe(facts: SandboxFacts, use: SandboxUse, system: SystemInventory, space: Space): string[] {
  const versions = Object.entries(system.programs).map(([name, version]) => `${name} ${version}`)
  const packages = facts.packages.map(({ manager, packages: names }) => `${manager}: ${names.join(', ')}`)
  const memoryLimit = use.memoryLimitBytes ?? facts.limits.memoryBytes
  const memory = use.memoryBytes === undefined ? '' : `${formatBytes(use.memoryBytes)} of `
  const processes = use.processes === undefined ? '' : `${use.processes} of `
  return [
    `Runtime: ${facts.runtime}: ${facts.description}`,
    ...[MODES[facts.mode]].filter((line) => line !== undefined),
    ...(packages.length === 0 ? [] : [`Packages: ${packages.join('; ')}`]),
    `Image: ${facts.imageId}`,
    `System: ${[system.os, system.architecture].filter((part) => part !== undefined).join(', ') || 'unknown'}`,
    `Versions: ${versions.join(', ') || 'unknown'}`,
    `Memory: ${memory}${limit(memoryLimit, formatBytes)}${use.oomKills > 0 ? `, ${use.oomKills} killed for lack of it` : ''}`,
    `CPU: ${limit(facts.limits.cpus)}${use.cpuMs === undefined ? '' : `, ${formatDuration(use.cpuMs)} used`}`,
    `Processes: ${processes}${limit(facts.limits.pids)}`,
    ...use.disks.map((disk) => `Disk ${disk.path}: ${diskWords(disk)}`),
    ...allowed(space),
    `Network: ${facts.network === 'none' ? 'none' : 'open'}`,
    `Longest command: ${formatDuration(facts.maxTimeoutMs)}; largest file: ${limit(facts.limits.fileBytes, formatBytes)}`,
  ]
}

/** 0: a container that is not ours need not have any. */
function limit(value: number, format: (value: number) => string = String): string {
  return value > 0 ? format(value) : 'no limit'
}

function diskWords({ freeBytes, sizeBytes, content }: DiskUse): string {
  const free = `${formatBytes(freeBytes)} free of ${formatBytes(sizeBytes)}`
  if (!content) return free
  const { bytes, entries, isAll } = content
  return `${isAll ? '' : 'more than '}${formatBytes(bytes)} in ${entries.toLocaleString('en-US')} files, ${free}`
}

function allowed({ allowedBytes, allowedFiles }: Space): string[] {
  const parts = [
    ...(allowedBytes === undefined ? [] : [formatBytes(allowedBytes)]),
    ...(allowedFiles === undefined ? [] : [`${allowedFiles.toLocaleString('en-US')} files`]),
  ]
  return parts.length === 0 ? [] : [`Allowed in the workspace: ${parts.join(' and ')}`]
}

function limits(
  { limits: set, maxTimeoutMs }: SandboxFacts,
  use: SandboxUse,
  { allowedBytes, allowedFiles }: Space,
): Record<string, number> {
  return {
    ...whereSet({
      memory_bytes: use.memoryLimitBytes ?? set.memoryBytes,
      cpus: set.cpus,
      processes: set.pids,
      tmp_bytes: set.tmpBytes,
      file_bytes: set.fileBytes,
      open_files: set.openFiles,
    }),
    ...(allowedBytes === undefined ? {} : { workspace_bytes: allowedBytes }),
    ...(allowedFiles === undefined ? {} : { workspace_files: allowedFiles }),
    timeout_s: maxTimeoutMs / 1000,
  }
}

function whereSet(limits: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value > 0))
}

function present(use: SandboxUse): Record<string, number> {
  const { memoryBytes, cpuMs, processes } = use
  const disks = use.disks.flatMap(({ path, freeBytes, content }): [string, number][] => [
    [`${nameOf(path)}_free_bytes`, freeBytes],
    ...(content
      ? ([
          [`${nameOf(path)}_bytes`, content.bytes],
          [`${nameOf(path)}_files`, content.entries],
        ] as [string, number][])
      : []),
  ])
  return {
    uptime_s: Math.round(use.uptimeMs / 1000),
    running_commands: use.running,
    oom_kills: use.oomKills,
    ...(memoryBytes === undefined ? {} : { memory_bytes: memoryBytes }),
    ...(cpuMs === undefined ? {} : { cpu_ms: tenths(cpuMs) }),
    ...(processes === undefined ? {} : { processes }),
    ...Object.fromEntries(disks),
  }
}

/** "/workspace" → "workspace". */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function isoTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -5)}Z`
}
