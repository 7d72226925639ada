import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes } from '../lib/units.ts'
import type { SendableSignal } from '../sandbox/signals.ts'
import { processId, status } from './fields.ts'
import { stateFields, stateWords } from './render/command-state.ts'
import { footerLine } from './render/text.ts'
import { defineTool } from './tool.ts'

/** Most bytes of input in one call: the supervisor holds 1 MiB for a process that does not read. */
const MAX_INPUT_BYTES = 512 * 1024

const input = z.strictObject({
  process_id: processId,
  input: z.string().optional().describe('Written to stdin as is; end lines with \\n.'),
  close_stdin: z.boolean().default(false).describe('After input.'),
  signal: z.enum(['int', 'term', 'kill', 'hup']).optional(),
})

export const processWrite = defineTool({
  name: 'process_write',
  title: 'Write to a process',
  description:
    'Send input to a running process, or a signal: give either input (and close_stdin) or signal. Only commands started with ' +
    'wait_s 0 keep stdin open. term and kill also end what it started.',
  effect: { readOnly: false, destructive: true, idempotent: false, reachesNetwork: 'sandbox' },
  input,
  output: z.object({
    process_id: z.string(),
    status,
    exit_code: z.number().optional(),
    signal: z.string().optional(),
    bytes_written: z.number().optional(),
    stdin_open: z.boolean().optional(),
    signal_sent: z.string().optional(),
  }),

  async run(args, { sandbox, signal }) {
    const action = chosenAction(args)
    if (action.kind === 'signal') {
      const state = await sandbox.processes.signal(args.process_id, action.name, signal)
      return {
        text: `Sent ${action.name} to ${state.id}.`,
        footer: footerLine([stateWords(state)]),
        structured: { process_id: state.id, ...stateFields(state), signal_sent: action.name },
      }
    }
    const bytes = Buffer.byteLength(action.input)
    const state = await sandbox.processes.write(args.process_id, action.input, args.close_stdin, signal)
    return {
      text: `Wrote ${formatBytes(bytes)} to ${state.id}.`,
      footer: footerLine([stateWords(state), state.stdinOpen ? 'stdin open' : 'stdin closed']),
      structured: { process_id: state.id, ...stateFields(state), bytes_written: bytes, stdin_open: state.stdinOpen },
    }
  },
})

type Action =
  | { readonly kind: 'signal'; readonly name: SendableSignal }
  | { readonly kind: 'input'; readonly input: string }

function chosenAction(args: z.output<typeof input>): Action {
  const writes = args.input !== undefined || args.close_stdin
  if (writes === (args.signal !== undefined)) {
    throw new SandboxError('invalid_argument', 'Give either input (or close_stdin) or signal.', {
      hint: 'One call does one of them.',
    })
  }
  if (args.signal !== undefined) return { kind: 'signal', name: args.signal }
  const text = args.input ?? ''
  if (Buffer.byteLength(text) > MAX_INPUT_BYTES) {
    throw new SandboxError('too_large', `input is longer than ${formatBytes(MAX_INPUT_BYTES)}.`, {
      hint: 'Send it in pieces, or write a file and redirect it.',
    })
  }
  return { kind: 'input', input: text }
}
