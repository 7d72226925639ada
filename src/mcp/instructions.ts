import { formatBytes, formatDuration } from '../lib/units.ts'
import type { RuntimeInfo } from '../registry/runtime-info.ts'
import { RUNTIME_URI } from './runtime-resource.ts'

/** What the instructions tell about a configuration. */
export interface InstructionFacts {
  /** Names of the tools that the model is given. */
  readonly tools: readonly string[]
  readonly runtime: RuntimeInfo
  /** 0: never. */
  readonly idleTimeoutMs: number
}

/** What description, versions and packages may take of the whole. */
const DESCRIPTION_BYTES = 120
const VERSIONS_BYTES = 150
const PACKAGES_BYTES = 250
/** Said of their own, or of no use to a model. */
const UNTOLD_PROGRAMS = ['pip', 'npm', 'perl', 'bash', 'make', 'curl']
const UNTOLD_PACKAGES = ['pip', 'setuptools', 'wheel', 'npm']

/** Clients cut instructions off beyond this many bytes. */
export const MAX_INSTRUCTION_BYTES = 2048

/** What the tools that not every server has are for. */
const CODE_TOOLS: Readonly<Record<string, string>> = {
  edit_file: 'change parts of a file with edit_file',
  search_files: 'find text or names with search_files',
  run_code: 'run a script and see its figures with run_code',
  check_syntax: 'check with check_syntax',
  sandbox_info: 'see languages, limits and use with sandbox_info',
}

/** What a model is told about the server when a client connects. The same for every connection of a configuration. */
export function instructions(facts: InstructionFacts): string {
  const { tools, idleTimeoutMs, runtime } = facts
  const { network } = runtime
  const codeTools = tools.flatMap((name) => CODE_TOOLS[name] ?? [])
  return [
    ...whatItIs(runtime, idleTimeoutMs),
    ...contentsLines(runtime),
    `Each shell_exec is a fresh process: cd and export do not persist, so combine steps ("cd src && make") or set cwd and env. There is no terminal, and stdin is closed unless you give it.`,
    runtime.mode === 'ephemeral'
      ? 'A call waits until its command has ended (timeout_s, 300 s by default). Nothing runs in the background: start a server and what uses it in one command.'
      : 'Long work and servers: shell_exec with wait_s=0 returns a process_id at once; process_read with wait_s and until waits for output, an end or a port; process_write sends input or a signal.',
    'Write text with write_file, put binary data and archives in with upload (large ones by ticket or host_path), read text and images with ' +
      `read_file${tools.includes('download') ? ', hand files to the user with download' : ''}.`,
    ...(codeTools.length > 0 ? [`For code: ${codeTools.join(', ')}.`] : []),
    ...(runtime.mode === 'attach'
      ? []
      : [networkLine(network, runtime.installs && tools.includes('install_packages'))]),
    limitsLine(runtime),
  ].join('\n')
}

/** What the model works in, where its files are, and what becomes of both. */
function whatItIs(runtime: RuntimeInfo, idleTimeoutMs: number): string[] {
  const { mode, workspace } = runtime
  if (mode === 'attach') {
    return [
      `A Linux container of the operator’s, for running commands and working on files. It is somebody’s own: change and delete only what the work needs.`,
      `Working directory: ${workspace}. A result whose notice says "recreated" tells you that processes were lost.`,
    ]
  }
  const named = `(runtime "${runtime.name}": ${cut(runtime.description, DESCRIPTION_BYTES)})`
  const machine =
    mode === 'bind'
      ? 'its /workspace is a directory of a person’s own machine, so what you change or delete there is changed there at once.'
      : "nothing in it touches the user's own machine."
  const what = `A private Linux sandbox ${named} for running commands and working on files; ${machine}`
  if (mode === 'ephemeral') {
    return [
      what,
      'Working directory: /workspace, kept between calls and conversations. Each call has a sandbox of its own over it: processes, /tmp and all else end with the call. The rest of the system is read-only, except /tmp.',
    ]
  }
  const idle =
    idleTimeoutMs > 0
      ? `After ${formatDuration(idleTimeoutMs)} without use it sleeps: files in /workspace stay, processes and /tmp are lost. `
      : ''
  return [
    what,
    `Working directory: /workspace, kept between conversations. ${idle}A result whose notice says "resumed" or "recreated" tells you that this happened. The rest of the system is read-only, except /tmp.`,
  ]
}

function limitsLine({ limits, maxTimeoutMs }: RuntimeInfo): string {
  const command = `${formatDuration(maxTimeoutMs)} at most for one command.`
  if (!limits) return `Limits: ${command}`
  const { memoryBytes, cpus } = limits
  return `Limits: ${formatBytes(memoryBytes)} of memory, ${cpus === 1 ? '1 CPU' : `${cpus} CPUs`}, ${command}`
}

/** What the image has, as it was measured; nothing is said of one that was not. */
function contentsLines({ contents }: RuntimeInfo): string[] {
  if (!contents) return [`What is installed: resource ${RUNTIME_URI}.`]
  const programs = named(contents.programs, UNTOLD_PROGRAMS)
  const packages = Object.values(contents.packages).flatMap((each) => named(each, UNTOLD_PACKAGES))
  const lines = programs.length > 0 ? [`Has ${list(programs, VERSIONS_BYTES)}.`] : []
  if (packages.length === 0) return lines
  return [...lines, `Installed packages, use directly, without installing: ${list(packages, PACKAGES_BYTES)}.`]
}

function named(versions: Readonly<Record<string, string>>, untold: readonly string[]): string[] {
  return Object.entries(versions)
    .filter(([name]) => !untold.includes(name))
    .map(([name, version]) => `${name} ${version}`)
}

/** As many as fit, and where the others are. */
function list(items: readonly string[], maxBytes: number): string {
  let bytes = 0
  const fitting = items.findIndex((item) => (bytes += Buffer.byteLength(item) + 2) > maxBytes)
  if (fitting < 0) return items.join(', ')
  return `${[...items.slice(0, fitting), `${items.length - fitting} more`].join(', ')} (resource ${RUNTIME_URI})`
}

function networkLine(network: 'none' | 'bridge', installs: boolean): string {
  if (network !== 'none') return 'Network: the sandbox can reach the network.'
  return installs
    ? 'Network: none for commands, so downloads fail. install_packages alone gets packages from the package index.'
    : 'Network: none. Downloads and package installs from the internet fail.'
}

function cut(text: string, maxBytes: number): string {
  const plain = text.replace(/\.$/, '')
  return Buffer.byteLength(plain) <= maxBytes
    ? plain
    : `${Buffer.from(plain)
        .subarray(0, maxBytes - 3)
        .toString('utf8')
        .replace(/\ufffd+$/, '')}…`
}
