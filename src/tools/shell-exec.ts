import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes, formatDuration } from '../lib/units.ts'
import { makeVisible } from '../lib/visible-text.ts'
import type { CommandOutcome } from '../sandbox/outcome.ts'
import { status, waitSeconds } from './fields.ts'
import { type CapturedText, renderCaptured } from './render/captured.ts'
import { stateFields, stateWords, tenths } from './render/command-state.ts'
import { footerLine, joinStreams } from './render/text.ts'
import { defineTool } from './tool.ts'

const DEFAULT_TIMEOUT_S = 300
const MAX_TIMEOUT_S = 604_800
const DEFAULT_WAIT_S = 45
const DEFAULT_OUTPUT_BYTES = 16 * 1024

export const shellExec = defineTool({
  name: 'shell_exec',
  title: 'Run a shell command',
  description:
    'Run a shell command in your sandbox, a private Linux container. Each call is a fresh process in /workspace: files persist, ' +
    'cd and export do not. A non-zero exit, timeout or out-of-memory kill is a normal result. A command that outlives wait_s goes ' +
    'on in the background (wait_s 0: at once, stdin stays open): follow it with process_read. Long output is cut in the middle; ' +
    'the footer says where to read it whole.',
  effect: { readOnly: false, destructive: true, idempotent: false, reachesNetwork: true },
  input: z.strictObject({
    command: z.string().describe('Shell line, e.g. "cd src && make 2>&1 | tail".'),
    cwd: z.string().optional().describe('Default /workspace.'),
    timeout_s: z
      .int()
      .min(1)
      .max(MAX_TIMEOUT_S)
      .optional()
      .describe(`Killed after this (default ${DEFAULT_TIMEOUT_S}).`),
    wait_s: waitSeconds(DEFAULT_WAIT_S),
    stdin: z.string().optional().describe('Closed if absent.'),
    env: z.record(z.string(), z.string()).optional(),
    max_output_bytes: z.int().min(1024).max(65_536).default(DEFAULT_OUTPUT_BYTES).describe('Per stream.'),
  }),
  output: z.object({
    status,
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
  }),

  async run(args, { sandbox, signal, onProgress }) {
    const outcome = await sandbox.commands.run(
      {
        command: args.command,
        cwd: args.cwd,
        env: args.env,
        stdin: args.stdin,
        timeoutMs: timeoutMs(args.timeout_s, sandbox.facts.maxTimeoutMs),
        waitMs: args.wait_s * 1000,
        maxOutputBytes: args.max_output_bytes,
      },
      { signal, onProgress: onProgress && (({ lastLine }) => onProgress(lastLine)) },
    )
    const shown = renderCaptured(outcome)
    const omittedBytes = shown.stdout.omittedBytes + shown.stderr.omittedBytes
    return {
      text: joinStreams(shown.stdout.text, shown.stderr.text),
      footer: footerLine([
        stateWords(outcome),
        formatDuration(outcome.durationMs),
        omittedBytes > 0 ? omitted(outcome, omittedBytes) : undefined,
        whatGoesOn(outcome),
        outcome.cwd === sandbox.facts.workspace ? undefined : `cwd ${makeVisible(outcome.cwd)}`,
      ]),
      structured: structured(outcome, shown, omittedBytes > 0),
    }
  },
})

/** The timeout of a command. One that nobody asked for bends to the operator's maximum; one that was asked for must not be cut silently. */
function timeoutMs(asked: number | undefined, maxTimeoutMs: number): number {
  if (asked === undefined) return Math.min(DEFAULT_TIMEOUT_S * 1000, maxTimeoutMs)
  if (asked * 1000 <= maxTimeoutMs) return asked * 1000
  throw new SandboxError('invalid_argument', `timeout_s must be at most ${Math.floor(maxTimeoutMs / 1000)} here.`, {
    hint: 'Use that, or split the work.',
  })
}

function omitted(outcome: CommandOutcome, bytes: number): string {
  const logs = [outcome.stdoutLog, outcome.stderrLog].filter((log) => log !== undefined)
  return [`${formatBytes(bytes)} omitted, process_read process_id=${outcome.id}`, ...logs].join(' or ')
}

function whatGoesOn(outcome: CommandOutcome): string | undefined {
  if (outcome.status === 'running') {
    return `goes on as process_id=${outcome.id}: follow with process_read, end with process_write signal=term`
  }
  return outcome.leftRunning ? `what it started goes on as process_id=${outcome.id}` : undefined
}

function structured(outcome: CommandOutcome, shown: CapturedText, isCut: boolean) {
  const isReachable = outcome.status === 'running' || outcome.leftRunning || isCut
  return {
    ...stateFields(outcome),
    stdout: shown.stdout.text,
    stderr: shown.stderr.text,
    stdout_bytes: outcome.totalStdout,
    stderr_bytes: outcome.totalStderr,
    stdout_omitted_bytes: shown.stdout.omittedBytes,
    stderr_omitted_bytes: shown.stderr.omittedBytes,
    ...(isReachable ? { process_id: outcome.id } : {}),
    ...(outcome.leftRunning ? { left_running: true } : {}),
    ...(outcome.stdoutLog === undefined ? {} : { log_path: outcome.stdoutLog }),
    ...(outcome.stderrLog === undefined ? {} : { stderr_log_path: outcome.stderrLog }),
    duration_ms: tenths(outcome.durationMs),
    cpu_ms: tenths(outcome.cpuMs),
    max_rss_bytes: outcome.maxRssBytes,
    cwd: outcome.cwd,
  }
}
