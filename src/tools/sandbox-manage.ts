import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes } from '../lib/units.ts'
import type { ControlOptions, SandboxControl, Snapshot } from '../sandbox/control.ts'
import { footerLine } from './render/text.ts'
import { type ControlContext, defineManagingTool } from './tool.ts'

const ACTIONS = ['restart', 'reset', 'runtime', 'snapshot', 'restore', 'destroy'] as const
type Action = (typeof ACTIONS)[number]

export const sandboxManage = defineManagingTool({
  name: 'sandbox_manage',
  title: 'Manage the sandbox',
  description:
    'restart: a new container, processes and /tmp lost, files in /workspace kept. reset: the same; with keep_files=false also an empty ' +
    'workspace. runtime: another environment (give runtime), files kept; packages for another language version may have to be installed ' +
    'again. snapshot: keeps a copy of /workspace (name it with snapshot; the oldest gives way); nothing ends. restore: the files of that, or ' +
    'the newest, snapshot in place of all present ones. destroy: container and all files are deleted for good. Running commands end, ' +
    'except with snapshot.',
  effect: { readOnly: false, destructive: true, idempotent: true, reachesNetwork: false },
  input: z.strictObject({
    action: z.enum(ACTIONS),
    runtime: z.string().max(63).optional(),
    keep_files: z.boolean().default(true),
    snapshot: z.string().max(63).optional(),
  }),
  output: z.object({
    action: z.string(),
    runtime: z.string().optional(),
    snapshot: z.string().optional(),
    snapshots: z.array(z.string()).optional(),
    files_kept: z.boolean(),
    processes_kept: z.boolean(),
  }),

  async run(args, context) {
    const { action, keep_files: keepFiles } = args
    checkArguments(args, context.control)
    const done = await act(args, context)
    return {
      text: done.text,
      footer: footerLine(done.footer),
      structured: {
        action,
        ...done.structured,
        files_kept:
          done.filesKept ?? (action !== 'destroy' && action !== 'restore' && (action !== 'reset' || keepFiles)),
        processes_kept: action === 'snapshot',
      },
    }
  },
})

interface ManageArgs {
  readonly action: Action
  readonly runtime?: string | undefined
  readonly keep_files: boolean
  readonly snapshot?: string | undefined
}

interface Done {
  readonly text: string
  readonly footer: readonly string[]
  /** Where that is not so by the action alone. */
  readonly filesKept?: boolean
  readonly structured: { readonly runtime?: string; readonly snapshot?: string; readonly snapshots?: string[] }
}

function checkArguments({ action, runtime, snapshot }: ManageArgs, control: SandboxControl): void {
  if (snapshot !== undefined && action !== 'snapshot' && action !== 'restore') {
    throw new SandboxError('invalid_argument', 'snapshot goes with action=snapshot and action=restore.')
  }
  if ((action === 'runtime') === (runtime !== undefined)) return
  const known = `Known runtimes: ${control.runtimes.join(', ')}.`
  const what =
    action === 'runtime' ? 'runtime is missing: name the one to switch to.' : 'runtime goes with action=runtime.'
  throw new SandboxError('invalid_argument', what, { hint: known })
}

const KEPT = 'Files in /workspace are kept, processes and /tmp are gone.'

async function act(args: ManageArgs, { control, ...options }: ControlContext): Promise<Done> {
  if (args.action === 'snapshot') return await take(args.snapshot, control, options)
  if (args.action === 'restore') return await bringBack(args.snapshot, control, options)
  if (args.action === 'destroy') {
    const { filesKept } = await control.destroy(options)
    return {
      text: filesKept ? KEPT : 'Files and processes are gone.',
      footer: ['no sandbox: the next call makes a new one'],
      structured: {},
      filesKept,
    }
  }
  return await makeAnew(args, control, options)
}

async function take(name: string | undefined, control: SandboxControl, options: ControlOptions): Promise<Done> {
  const snapshot = await control.snapshot(name, options)
  const names = (await control.snapshots()).map(nameOf)
  return {
    text: `Snapshot ${nameOf(snapshot)} holds ${contentOf(snapshot)}.`,
    footer: [`snapshots: ${names.join(', ')}`],
    structured: { snapshot: nameOf(snapshot), snapshots: names },
  }
}

async function bringBack(wanted: string | undefined, control: SandboxControl, options: ControlOptions): Promise<Done> {
  const { snapshot, runtime } = await control.restoreSnapshot(wanted, options)
  const what = `snapshot ${nameOf(snapshot)} of ${snapshot.createdAt}`
  return {
    text: `/workspace is as in ${what}: ${contentOf(snapshot)}. Processes and /tmp are gone.`,
    footer: running(runtime),
    structured: { runtime, snapshot: nameOf(snapshot) },
  }
}

async function makeAnew(
  { action, runtime: wanted, keep_files: keepFiles }: ManageArgs,
  control: SandboxControl,
  options: ControlOptions,
): Promise<Done> {
  const isEmptied = action === 'reset' && !keepFiles
  const start = () => (isEmptied ? control.startOver(options) : control.restart(options))
  const runtime = wanted === undefined ? await start() : await control.useRuntime(wanted, options)
  return {
    text: isEmptied ? 'Files and processes are gone.' : KEPT,
    footer: running(runtime),
    structured: { runtime },
  }
}

function running(runtime: string): string[] {
  return [`running, runtime ${runtime}`]
}

function nameOf({ id, name }: Snapshot): string {
  return name ?? id
}

function contentOf({ files, bytes, compressedBytes, skipped }: Snapshot): string {
  const left = skipped > 0 ? `; ${skipped} pipes, sockets or devices left out` : ''
  return `${files.toLocaleString('en')} files, ${formatBytes(bytes)} (${formatBytes(compressedBytes)} compressed)${left}`
}
