import * as z from 'zod'
import { commandFields, commandResult, DEFAULT_OUTPUT_BYTES, presentCommand, runCommand } from './command-call.ts'
import { footerLine } from './render/text.ts'
import { defineTool } from './tool.ts'

export const shellExec = defineTool({
  name: 'shell_exec',
  title: 'Run a shell command',
  description:
    'Run a shell command in your sandbox, a private Linux container. Each call is a fresh process in /workspace: files persist, ' +
    'cd and export do not. A non-zero exit, timeout or out-of-memory kill is a normal result. A command that outlives wait_s goes ' +
    'on in the background (wait_s 0: at once, stdin stays open): follow it with process_read. Long output is cut in the middle; ' +
    'the footer says where to read it whole.',
  effect: { readOnly: false, destructive: true, idempotent: false, reachesNetwork: 'sandbox' },
  input: z.strictObject({
    command: z.string().describe('Shell line, e.g. "cd src && make 2>&1 | tail".'),
    ...commandFields,
    max_output_bytes: z.int().min(1024).max(65_536).default(DEFAULT_OUTPUT_BYTES).describe('Per stream.'),
  }),
  output: commandResult,

  async run(args, context) {
    const outcome = await runCommand(args.command, args, args.max_output_bytes, context)
    const { text, footer, structured } = presentCommand(outcome, context.sandbox)
    return { text, footer: footerLine(footer), structured }
  },
})
