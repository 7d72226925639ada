import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes, formatDuration } from '../lib/units.ts'
import { oneLine } from '../lib/visible-text.ts'
import { formatCursor, parseCursor, type ProcessInfo } from '../sandbox/processes.ts'
import { parseCondition } from '../sandbox/wait-condition.ts'
import { processId, status, waitSeconds } from './fields.ts'
import { stateFields, stateWords, tenths } from './render/command-state.ts'
import { renderPages } from './render/pages.ts'
import { footerLine, joinStreams } from './render/text.ts'
import { defineTool, type ToolContext } from './tool.ts'

/** Bytes of output in one answer, shared by the streams that are asked for. */
const PAGE_BYTES = 32 * 1024
const SHOWN_COMMAND = 100

const input = z.strictObject({
  process_id: processId.optional().describe('Absent: list yours.'),
  stream: z.enum(['both', 'stdout', 'stderr']).default('both'),
  since: z.string().optional().describe('`next` of an earlier read; "0:0" is the start. Absent: the newest output.'),
  tail_lines: z.int().min(1).max(10_000).optional(),
  wait_s: waitSeconds(0),
  until: z.string().optional().describe('Wait for a text, a /regex/, or port:8080 (something listens).'),
})

const process = z.object({
  process_id: z.string(),
  status,
  exit_code: z.number().optional(),
  signal: z.string().optional(),
  duration_ms: z.number(),
  command: z.string(),
})

export const processRead = defineTool({
  name: 'process_read',
  title: 'Read a process',
  description:
    'Read the output and status of a command that runs in the background or was cut short; works after it ended. Waits up to ' +
    'wait_s for new output, for the end, or for `until`: no need to sleep. Pass `next` as `since` to read on.',
  effect: { readOnly: true, destructive: false, idempotent: true, reachesNetwork: false },
  input,
  output: z.object({
    process_id: z.string().optional(),
    status: status.optional(),
    exit_code: z.number().optional(),
    signal: z.string().optional(),
    stdout: z.string().optional(),
    stderr: z.string().optional(),
    next: z.string().optional(),
    stdout_left_bytes: z.number().optional(),
    stderr_left_bytes: z.number().optional(),
    stdout_skipped_bytes: z.number().optional(),
    stderr_skipped_bytes: z.number().optional(),
    until_met: z.boolean().optional(),
    left_running: z.boolean().optional(),
    log_path: z.string().optional(),
    stderr_log_path: z.string().optional(),
    duration_ms: z.number().optional(),
    processes: z.array(process).optional(),
  }),

  run(args, context) {
    const { process_id: id } = args
    return id === undefined ? list(context) : read({ ...args, process_id: id }, context)
  },
})

async function read(args: z.output<typeof input> & { process_id: string }, { sandbox, signal }: ToolContext) {
  if (args.since !== undefined && args.tail_lines !== undefined) {
    throw new SandboxError('invalid_argument', 'since and tail_lines exclude each other.', {
      hint: 'Use since to read on, or tail_lines for the newest lines.',
    })
  }
  const streams = { stdout: args.stream !== 'stderr', stderr: args.stream !== 'stdout' }
  const output = await sandbox.processes.read(
    {
      id: args.process_id,
      streams,
      since: args.since === undefined ? undefined : parseCursor(args.since),
      maxBytes: args.stream === 'both' ? PAGE_BYTES / 2 : PAGE_BYTES,
      waitMs: args.wait_s * 1000,
      until: args.until === undefined ? undefined : parseCondition(args.until),
    },
    signal,
  )
  const { state, reached } = output
  const pages = renderPages(output, { fromCursor: args.since !== undefined, tailLines: args.tail_lines })
  const leftBytes = pages.stdout.leftBytes + pages.stderr.leftBytes
  const next = formatCursor(pages.next)
  return {
    text: joinStreams(pages.stdout.text, pages.stderr.text),
    footer: footerLine([
      stateWords(state),
      formatDuration(state.durationMs),
      reached === undefined ? undefined : reached ? 'until met' : 'until not met',
      state.status !== 'running' && state.leftRunning ? 'what it started goes on' : undefined,
      leftBytes > 0 ? `${formatBytes(leftBytes)} left` : undefined,
      `next since=${next}`,
    ]),
    structured: {
      process_id: state.id,
      ...stateFields(state),
      ...(streams.stdout ? { stdout: pages.stdout.text, stdout_left_bytes: pages.stdout.leftBytes } : {}),
      ...(streams.stderr ? { stderr: pages.stderr.text, stderr_left_bytes: pages.stderr.leftBytes } : {}),
      ...(pages.stdout.skippedBytes > 0 ? { stdout_skipped_bytes: pages.stdout.skippedBytes } : {}),
      ...(pages.stderr.skippedBytes > 0 ? { stderr_skipped_bytes: pages.stderr.skippedBytes } : {}),
      next,
      ...(reached === undefined ? {} : { until_met: reached }),
      ...(state.leftRunning ? { left_running: true } : {}),
      ...(state.stdoutLog === undefined ? {} : { log_path: state.stdoutLog }),
      ...(state.stderrLog === undefined ? {} : { stderr_log_path: state.stderrLog }),
      duration_ms: tenths(state.durationMs),
    },
  }
}

async function list({ sandbox, signal }: ToolContext) {
  const processes = await sandbox.processes.list(signal)
  const running = processes.filter((each) => each.status === 'running').length
  return {
    text: processes.length === 0 ? '(no processes)' : processes.map(tableLine).join('\n'),
    footer: footerLine([`${running} running`, `${processes.length - running} ended`]),
    structured: {
      processes: processes.map((each) => ({
        process_id: each.id,
        ...stateFields(each),
        duration_ms: tenths(each.durationMs),
        command: oneLine(each.command, SHOWN_COMMAND),
      })),
    },
  }
}

function tableLine(each: ProcessInfo): string {
  const state = each.status === 'timed_out' ? 'timed out' : stateWords(each)
  return [each.id, state, formatDuration(each.durationMs), oneLine(each.command, SHOWN_COMMAND)].join('  ')
}
