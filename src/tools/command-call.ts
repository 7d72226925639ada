import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes, formatDuration } from '../lib/units.ts'
import { makeVisible } from '../lib/visible-text.ts'
import type { CommandSpec } from '../sandbox/commands.ts'
import type { CommandOutcome } from '../sandbox/outcome.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import { status, waitSeconds } from './fields.ts'
import { type CapturedText, renderCaptured } from './render/captured.ts'
import { stateFields, stateWords, tenths } from './render/command-state.ts'
import { joinStreams } from './render/text.ts'
import type { ToolContext } from './tool.ts'

const DEFAULT_TIMEOUT_S = 300
const MAX_TIMEOUT_S = 604_800
const DEFAULT_WAIT_S = 45
export const DEFAULT_OUTPUT_BYTES = 16 * 1024

/** Parameters of every tool that runs a command. */
export const commandFields = {
  cwd: z.string().optional().describe('Default /workspace.'),
  timeout_s: z.int().min(1).max(MAX_TIMEOUT_S).optional().describe(`Killed after this (default ${DEFAULT_TIMEOUT_S}).`),
  wait_s: waitSeconds(DEFAULT_WAIT_S),
  stdin: z.string().optional().describe('Closed if absent.'),
  env: z.record(z.string(), z.string()).optional(),
}

const commandSchema = z.object(commandFields)

/** The structured form of a command's outcome. */
export const commandResult = z.object({
  status,
  reason: z.string().optional(),
  exit_code: z.number().optional(),
  signal: z.string().optional(),
  stdout: z.string(),
  stderr: z.string(),
  stdout_bytes: z.number(),
  stderr_bytes: z.number(),
  stdout_omitted_bytes: z.number(),
  stderr_omitted_bytes: z.number(),
  process_id: z.string().optional(),
  left_running: z.boolean().optional(),
  log_path: z.string().optional(),
  stderr_log_path: z.string().optional(),
  duration_ms: z.number(),
  cpu_ms: z.number(),
  max_rss_bytes: z.number(),
  cwd: z.string(),
})

/** Runs a command for a tool call, in the units of its parameters. */
export function runCommand(
  command: CommandSpec['command'],
  args: z.output<typeof commandSchema>,
  maxOutputBytes: number,
  { sandbox, signal, onProgress }: ToolContext,
): Promise<CommandOutcome> {
  return sandbox.commands.run(
    {
      command,
      cwd: args.cwd,
      env: args.env,
      stdin: args.stdin,
      timeoutMs: timeoutMs(args.timeout_s, sandbox.facts.maxTimeoutMs),
      waitMs: args.wait_s * 1000,
      maxOutputBytes,
    },
    { signal, onProgress: onProgress && (({ lastLine }) => onProgress(lastLine)) },
  )
}

export interface PresentedCommand {
  readonly text: string
  /** Parts of the footer. */
  readonly footer: readonly (string | undefined)[]
  readonly structured: z.output<typeof commandResult>
}

/** A command's outcome in both forms. */
export function presentCommand(outcome: CommandOutcome, sandbox: Sandbox): PresentedCommand {
  const isKept = sandbox.facts.mode !== 'ephemeral'
  const shown = renderCaptured(outcome, isKept)
  const omittedBytes = shown.stdout.omittedBytes + shown.stderr.omittedBytes
  return {
    text: joinStreams(shown.stdout.text, shown.stderr.text),
    footer: [
      stateWords(outcome),
      formatDuration(outcome.durationMs),
      omittedBytes > 0 ? omitted(outcome, omittedBytes, isKept) : undefined,
      whatGoesOn(outcome, isKept),
      outcome.cwd === sandbox.facts.workspace ? undefined : `cwd ${makeVisible(outcome.cwd)}`,
    ],
    structured: structured(outcome, shown, omittedBytes > 0, isKept),
  }
}

/** The timeout of a command. One that nobody asked for bends to the operator's maximum; one that was asked for must not be cut silently. */
function timeoutMs(asked: number | undefined, maxTimeoutMs: number): number {
  if (asked === undefined) return Math.min(DEFAULT_TIMEOUT_S * 1000, maxTimeoutMs)
  if (asked * 1000 <= maxTimeoutMs) return asked * 1000
  throw new SandboxError('invalid_argument', `timeout_s must be at most ${Math.floor(maxTimeoutMs / 1000)} here.`, {
    hint: 'Use that, or split the work.',
  })
}

/** `isKept`: the process and its output outlive the call. */
function omitted(outcome: CommandOutcome, bytes: number, isKept: boolean): string {
  if (!isKept) return `${formatBytes(bytes)} omitted: redirect it to a file, or raise max_output_bytes`
  const logs = [outcome.stdoutLog, outcome.stderrLog].filter((log) => log !== undefined)
  return [`${formatBytes(bytes)} omitted, process_read process_id=${outcome.id}`, ...logs].join(' or ')
}

function whatGoesOn(outcome: CommandOutcome, isKept: boolean): string | undefined {
  if (!isKept) return outcome.leftRunning ? 'what it started ended with this call' : undefined
  if (outcome.status === 'running') {
    return `goes on as process_id=${outcome.id}: follow with process_read, end with process_write signal=term`
  }
  return outcome.leftRunning ? `what it started goes on as process_id=${outcome.id}` : undefined
}

function structured(outcome: CommandOutcome, shown: CapturedText, isCut: boolean, isKept: boolean) {
  const isReachable = isKept && (outcome.status === 'running' || outcome.leftRunning || isCut)
  const { stdoutLog, stderrLog } = isKept ? outcome : {}
  return {
    ...stateFields(outcome),
    stdout: shown.stdout.text,
    stderr: shown.stderr.text,
    stdout_bytes: outcome.totalStdout,
    stderr_bytes: outcome.totalStderr,
    stdout_omitted_bytes: shown.stdout.omittedBytes,
    stderr_omitted_bytes: shown.stderr.omittedBytes,
    ...(isReachable ? { process_id: outcome.id } : {}),
    ...(outcome.leftRunning && isKept ? { left_running: true } : {}),
    ...(stdoutLog === undefined ? {} : { log_path: stdoutLog }),
    ...(stderrLog === undefined ? {} : { stderr_log_path: stderrLog }),
    duration_ms: tenths(outcome.durationMs),
    cpu_ms: tenths(outcome.cpuMs),
    max_rss_bytes: outcome.maxRssBytes,
    cwd: outcome.cwd,
  }
}
