import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import * as z from 'zod'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import { isMissingProgram } from '../sandbox/wire-faults.ts'
import { commandFields, DEFAULT_OUTPUT_BYTES, presentCommand, runCommand } from './command-call.ts'
import { footerLine } from './render/text.ts'
import { collectImages, imageVersions } from './run-code/collect-images.ts'
import { FIGURES, INTERPRETERS, type Language, LANGUAGES, planLaunch, type Source } from './run-code/languages.ts'
import { defineTool, type PlainOutcome, type ToolContext } from './tool.ts'

const MAX_ARGS = 200
/** Where programs and figures of runs lie: gone with the container at the latest. Hidden, so that no listing of /tmp shows it. */
const RUNS = '/tmp'
/** For nobody but the user. */
const DIRECTORY_MODE = 0o700

const input = z.strictObject({
  language: z.enum(LANGUAGES),
  code: z.string().optional(),
  path: z.string().optional().describe('A file to run, instead of code.'),
  args: z.array(z.string()).max(MAX_ARGS).default([]),
  ...commandFields,
})

type Args = z.output<typeof input>

export const runCode = defineTool({
  name: 'run_code',
  title: 'Run code',
  description:
    'Run a program in a language of the runtime; give code or path. Answers as shell_exec does, with tracebacks that name real lines. ' +
    'Matplotlib figures that it shows or leaves open, and images that it saves in the working directory, come back as images (at ' +
    'most 4). No state is kept between runs but files.',
  effect: { readOnly: false, destructive: true, idempotent: false, reachesNetwork: 'sandbox' },
  input,
  // None: images have no structured form. Without images the result carries shell_exec's.
  output: undefined,

  async run(args, context) {
    const source = sourceOf(args, context.sandbox)
    const directory = posix.join(RUNS, `.run-${randomBytes(6).toString('hex')}`)
    // What it writes goes to the workspace mostly: better told before than by a program that fails in the middle.
    await context.sandbox.space.require(0, context.signal)
    let isOver = true
    try {
      const { outcome, isOver: ended } = await launch(args, source, directory, context)
      isOver = ended
      return outcome
    } finally {
      // What runs on may still read its file.
      if (isOver) await removeQuietly(directory, context.sandbox)
    }
  },
})

function sourceOf({ code, path }: Args, sandbox: Sandbox): Source {
  if ((code === undefined) === (path === undefined)) {
    throw new SandboxError('invalid_argument', 'Give exactly one of code and path.')
  }
  return code === undefined ? { path: sandbox.files.absolute(path ?? '') } : { code }
}

async function launch(
  args: Args,
  source: Source,
  directory: string,
  context: ToolContext,
): Promise<{ outcome: PlainOutcome; isOver: boolean }> {
  const { sandbox, signal } = context
  const cwd = sandbox.files.absolute(args.cwd ?? '.')
  const plan = await planLaunch(args.language, {
    source,
    args: args.args,
    cwd,
    env: args.env ?? {},
    directory,
    sandbox,
    signal,
  })
  const figures = args.language === 'python' ? posix.join(directory, FIGURES) : undefined
  const [before, sinceMs] = await Promise.all([
    imageVersions(cwd, context),
    prepare(directory, figures, plan.files, context),
  ])
  const outcome = await runCommand(
    plan.command,
    { ...args, env: { ...args.env, ...plan.env } },
    DEFAULT_OUTPUT_BYTES,
    context,
  ).catch(async (error: unknown) => {
    throw isMissingProgram(error) ? await notHere(args.language, context) : error
  })
  const { text, footer, structured } = presentCommand(outcome, sandbox)
  if (outcome.status === 'running') {
    const later = figures && `figures go to ${figures}`
    return { outcome: { text, footer: footerLine([...footer, later]), structured }, isOver: false }
  }
  const { images, notes } = await collectImages({ figures, cwd, before, sinceMs }, context)
  return {
    outcome: {
      text: [text, ...notes].join('\n'),
      footer: footerLine(footer),
      ...(images.length > 0 ? { images } : { structured: notes.length > 0 ? { ...structured, notes } : structured }),
    },
    isOver: !outcome.leftRunning,
  }
}

/** Makes the directory of a run. Resolves to when that was, by the clock of the sandbox's files. */
async function prepare(
  directory: string,
  figures: string | undefined,
  files: Readonly<Record<string, string>>,
  { sandbox, signal }: ToolContext,
): Promise<number> {
  await sandbox.files.makeDirectory(directory, signal, DIRECTORY_MODE)
  await Promise.all([
    figures === undefined ? undefined : sandbox.files.makeDirectory(figures, signal, DIRECTORY_MODE),
    ...Object.entries(files).map(([name, content]) =>
      sandbox.files.write(posix.join(directory, name), Buffer.from(content), { mode: 'create' }, signal),
    ),
  ])
  return (await sandbox.files.stat(directory, signal)).mtimeMs
}

/** Also after a cancel. The program may have removed it itself. */
async function removeQuietly(directory: string, sandbox: Sandbox): Promise<void> {
  try {
    await sandbox.files.remove(directory, true)
  } catch (error) {
    if (!isSandboxError(error, 'not_found')) throw error
  }
}

async function notHere(language: Language, { sandbox, signal }: ToolContext): Promise<SandboxError> {
  const { programs } = await sandbox.inventory.system(signal)
  const present = LANGUAGES.filter((each) => each !== 'typescript' && programs[INTERPRETERS[each]] !== undefined)
  const has = present.map((each) => `${each} (${INTERPRETERS[each]} ${programs[INTERPRETERS[each]]})`).join(', ')
  return new SandboxError(
    'image_unavailable',
    `The runtime ${sandbox.facts.runtime} has no ${INTERPRETERS[language]}, so it cannot run ${language}.`,
    { hint: has === '' ? 'It has none of the languages; use shell_exec.' : `It has: ${has}.` },
  )
}
