import type { Captured, CommandResult, CommandStatus, CommandSummary } from '../supervisor/protocol.ts'
import { signalName } from './signals.ts'

/** One stream of a command: its first and last bytes, and how much there was. `tail` is empty when `head` is all. */
export interface CapturedStream extends Captured {
  readonly totalBytes: number
  readonly omittedBytes: number
}

/** How a command stands or ended. The same shape for success, failure, timeout and a command that still runs. */
export interface CommandState {
  readonly id: string
  readonly status: CommandStatus
  /** Why the server ended it of its own accord: a sentence to show. */
  readonly reason: string | undefined
  readonly exitCode: number | undefined
  /** "SIGKILL", … */
  readonly signal: string | undefined
  readonly stdinOpen: boolean
  /** Processes that it started still run. */
  readonly leftRunning: boolean
  readonly startedAtMs: number
  readonly durationMs: number
  readonly cpuMs: number
  readonly maxRssBytes: number
  readonly totalStdout: number
  readonly totalStderr: number
  /** Path inside the sandbox of the full output, for the streams that were too long for memory. */
  readonly stdoutLog: string | undefined
  readonly stderrLog: string | undefined
}

export interface CommandOutcome extends CommandState {
  readonly stdout: CapturedStream
  readonly stderr: CapturedStream
  readonly cwd: string
}

/** Says why the server ended a command of its own accord; undefined for others. */
export type WhyEnded = (commandId: string) => string | undefined

const NO_REASON: WhyEnded = () => undefined

export function outcomeOf(
  result: CommandResult,
  cwd: string,
  spoolDir: string,
  whyEnded: WhyEnded = NO_REASON,
): CommandOutcome {
  const { summary } = result
  return {
    ...stateOf(summary, spoolDir, whyEnded),
    stdout: stream(result.stdout, summary.totalStdout),
    stderr: stream(result.stderr, summary.totalStderr),
    cwd,
  }
}

export function stateOf(summary: CommandSummary, spoolDir: string, whyEnded: WhyEnded = NO_REASON): CommandState {
  return {
    id: summary.id,
    status: summary.status,
    reason: summary.status === 'running' ? undefined : whyEnded(summary.id),
    exitCode: summary.exitCode,
    signal: summary.signal === undefined ? undefined : signalName(summary.signal),
    stdinOpen: summary.stdinOpen,
    leftRunning: summary.leftRunning,
    startedAtMs: summary.startedAtMs,
    durationMs: summary.durationUs / 1000,
    cpuMs: summary.cpuUs / 1000,
    maxRssBytes: summary.maxRssBytes,
    totalStdout: summary.totalStdout,
    totalStderr: summary.totalStderr,
    stdoutLog: summary.stdoutSpooled ? `${spoolDir}/${summary.id}.log` : undefined,
    stderrLog: summary.stderrSpooled ? `${spoolDir}/${summary.id}.err.log` : undefined,
  }
}

function stream(captured: Captured, totalBytes: number): CapturedStream {
  const shown = captured.head.length + captured.tail.length
  return { ...captured, totalBytes, omittedBytes: Math.max(0, totalBytes - shown) }
}
