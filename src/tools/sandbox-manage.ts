import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { SandboxControl } from '../sandbox/control.ts'
import { footerLine } from './render/text.ts'
import { type ControlContext, defineManagingTool } from './tool.ts'

export const sandboxManage = defineManagingTool({
  name: 'sandbox_manage',
  title: 'Manage the sandbox',
  description:
    'restart: a new container, processes and /tmp lost, files in /workspace kept. reset: the same; with keep_files=false also an empty ' +
    'workspace. runtime: another environment (give runtime), files kept; packages installed for another language version may have to ' +
    'be installed again. destroy: container and all files are deleted for good. Running commands end in every case.',
  effect: { readOnly: false, destructive: true, idempotent: true, reachesNetwork: false },
  input: z.strictObject({
    action: z.enum(['restart', 'reset', 'runtime', 'destroy']),
    runtime: z.string().max(63).optional(),
    keep_files: z.boolean().default(true),
  }),
  output: z.object({
    action: z.string(),
    runtime: z.string().optional(),
    files_kept: z.boolean(),
    processes_kept: z.literal(false),
  }),

  async run(args, { control, signal, onProgress }) {
    checkRuntime(args.action, args.runtime, control)
    const runtime = await act(args, { control, signal, onProgress })
    const filesKept = args.action !== 'destroy' && (args.action !== 'reset' || args.keep_files)
    return {
      text: filesKept ? 'Files in /workspace are kept, processes and /tmp are gone.' : 'Files and processes are gone.',
      footer: footerLine([
        runtime === undefined ? 'no sandbox: the next call makes a new one' : `running, runtime ${runtime}`,
      ]),
      structured: {
        action: args.action,
        ...(runtime === undefined ? {} : { runtime }),
        files_kept: filesKept,
        processes_kept: false as const,
      },
    }
  },
})

function checkRuntime(action: string, runtime: string | undefined, control: SandboxControl): void {
  if ((action === 'runtime') === (runtime !== undefined)) return
  const known = `Known runtimes: ${control.runtimes.join(', ')}.`
  const what =
    action === 'runtime' ? 'runtime is missing: name the one to switch to.' : 'runtime goes with action=runtime.'
  throw new SandboxError('invalid_argument', what, { hint: known })
}

async function act(
  { action, runtime, keep_files: keepFiles }: { action: string; runtime?: string | undefined; keep_files: boolean },
  { control, ...options }: ControlContext,
): Promise<string | undefined> {
  if (action === 'destroy') {
    await control.destroy(options)
    return undefined
  }
  if (runtime !== undefined) return await control.useRuntime(runtime, options)
  return action === 'reset' && !keepFiles ? await control.startOver(options) : await control.restart(options)
}
