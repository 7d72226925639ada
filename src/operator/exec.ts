import { constants } from 'node:os'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import type { SandboxProvider } from '../registry/lease.ts'
import type { CommandState } from '../sandbox/outcome.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import { followOutput, type OutputSinks } from './process-output.ts'

export interface ExecArgs {
  readonly user: string
  /** The words of the command; one word is a shell line. */
  readonly words: readonly string[]
}

export interface ExecDeps {
  readonly provider: SandboxProvider
  readonly maxTimeoutMs: number
  readonly sinks: OutputSinks
  /** What the command reads, at most 512 KiB. */
  readonly stdin?: string | undefined
  /** Fires for Ctrl-C. */
  readonly interrupted?: AbortSignal | undefined
  readonly logger: Logger
}

/** As a shell tells a command that a signal ended, and as timeout(1) tells one that took too long. */
const EXIT_SIGNAL_BASE = 128
const EXIT_TIMED_OUT = 124

/**
 * `sandbox-mcp exec USER -- COMMAND`: runs a command in the user's sandbox, as the user, with its output as it comes; the sandbox is started
 * if need be. Resolves to the exit code of the command: 128 + n when signal n ended it, 124 when its time ran out.
 */
export async function execInSandbox({ user, words }: ExecArgs, deps: ExecDeps): Promise<number> {
  // The name of a user decides their sandbox, so an id would be somebody new.
  if (user === '' || user.startsWith('id:')) {
    throw new SandboxError('invalid_argument', 'exec needs the name of a user.', {
      hint: 'An id of sandbox-mcp list will not do: a sandbox that has to be started is named after its user.',
    })
  }
  const [first] = words
  if (first === undefined) {
    throw new SandboxError('invalid_argument', 'Which command?', { hint: 'sandbox-mcp exec USER -- COMMAND' })
  }
  const lease = await deps.provider.acquire(user, deps.interrupted ? { signal: deps.interrupted } : {})
  try {
    return exitCodeOf(await run(lease.sandbox, words.length === 1 ? first : words, deps))
  } finally {
    lease.release()
  }
}

async function run(sandbox: Sandbox, command: string | readonly string[], deps: ExecDeps): Promise<CommandState> {
  const { commands, processes } = sandbox
  const { id } = await commands.run({
    command,
    stdin: deps.stdin,
    timeoutMs: deps.maxTimeoutMs,
    waitMs: 0,
    isAttended: true,
    maxOutputBytes: 0,
  })
  await processes.write(id, '', true).catch(ignoreEnded)
  const interrupt = () => {
    processes.signal(id, 'int').catch((err: unknown) => deps.logger.warn({ err }, 'The command was not interrupted.'))
  }
  deps.interrupted?.addEventListener('abort', interrupt, { once: true })
  try {
    return await followOutput(processes, id, deps.sinks, { follow: true })
  } finally {
    deps.interrupted?.removeEventListener('abort', interrupt)
  }
}

/** Its input need not be closed any more. */
function ignoreEnded(error: unknown): void {
  if (!isSandboxError(error, 'invalid_argument')) throw error
}

function exitCodeOf({ status, exitCode, signal }: CommandState): number {
  if (status === 'timed_out') return EXIT_TIMED_OUT
  if (exitCode !== undefined) return exitCode
  const number = Object.entries(constants.signals).find(([name]) => name === signal)?.[1]
  return EXIT_SIGNAL_BASE + (number ?? constants.signals.SIGKILL)
}
