import { formatBytes, formatDuration } from '../lib/units.ts'

/** What the instructions tell about a configuration. */
export interface InstructionFacts {
  /** Names of the tools that the model is given. */
  readonly tools: readonly string[]
  /** Name of the runtime of new sandboxes. */
  readonly runtime: string
  readonly network: 'none' | 'bridge'
  readonly memoryBytes: number
  readonly cpus: number
  readonly maxTimeoutMs: number
  /** 0: never. */
  readonly idleTimeoutMs: number
}

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
  const { tools, runtime, network, memoryBytes, cpus, maxTimeoutMs, idleTimeoutMs } = facts
  const cpu = cpus === 1 ? '1 CPU' : `${cpus} CPUs`
  const codeTools = tools.flatMap((name) => CODE_TOOLS[name] ?? [])
  const idle =
    idleTimeoutMs > 0
      ? `After ${formatDuration(idleTimeoutMs)} without use it sleeps: files in /workspace stay, processes and /tmp are lost. `
      : ''
  return [
    `A private Linux sandbox (runtime "${runtime}") for running commands and working on files; nothing in it touches the user's own machine.`,
    `Working directory: /workspace, kept between conversations. ${idle}A result whose notice says "resumed" or "recreated" tells you that this happened. The rest of the system is read-only, except /tmp.`,
    `Each shell_exec is a fresh process: cd and export do not persist, so combine steps ("cd src && make") or set cwd and env. There is no terminal, and stdin is closed unless you give it.`,
    'Long work and servers: shell_exec with wait_s=0 returns a process_id at once; process_read with wait_s and until waits for output, an end or a port; process_write sends input or a signal.',
    'Write text with write_file, put binary data and archives in with upload, read text and images with read_file.',
    ...(codeTools.length > 0 ? [`For code: ${codeTools.join(', ')}.`] : []),
    network === 'none'
      ? 'Network: none. Downloads and package installs from the internet fail.'
      : 'Network: the sandbox can reach the network.',
    `Limits: ${formatBytes(memoryBytes)} of memory, ${cpu}, ${formatDuration(maxTimeoutMs)} at most for one command.`,
  ].join('\n')
}
