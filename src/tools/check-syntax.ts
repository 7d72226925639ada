import { isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import * as z from 'zod'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { isMissingProgram } from '../sandbox/wire-faults.ts'
import { visibleName } from './render/file-name.ts'
import { stateWords } from './render/command-state.ts'
import { footerLine } from './render/text.ts'
import { bash, javascript, nodeTypeScript, python, type SyntaxChecker, typeScriptCompiler } from './syntax/checkers.ts'
import type { SyntaxFault } from './syntax/finding.ts'
import { jsonFault } from './syntax/json-fault.ts'
import { defineTool, type ToolContext } from './tool.ts'

const LANGUAGES = ['python', 'javascript', 'typescript', 'bash', 'json'] as const
type Language = (typeof LANGUAGES)[number]

const BY_EXTENSION: Readonly<Record<string, Language>> = {
  '.py': 'python',
  '.pyi': 'python',
  '.js': 'javascript',
  '.mjs': 'javascript',
  '.cjs': 'javascript',
  '.ts': 'typescript',
  '.mts': 'typescript',
  '.cts': 'typescript',
  '.tsx': 'typescript',
  '.jsx': 'typescript',
  '.sh': 'bash',
  '.bash': 'bash',
  '.json': 'json',
}
/** For code without a file. */
const EXTENSIONS: Readonly<Record<Language, string>> = {
  python: '.py',
  javascript: '.js',
  typescript: '.ts',
  bash: '.sh',
  json: '.json',
}
/** In order: the first one that is there. */
const CHECKERS: Readonly<Record<Exclude<Language, 'json'>, readonly SyntaxChecker[]>> = {
  python: [python],
  javascript: [javascript],
  typescript: [typeScriptCompiler, nodeTypeScript],
  bash: [bash],
}
const NEEDED: Readonly<Record<Exclude<Language, 'json'>, string>> = {
  python: 'python3',
  javascript: 'Node.js',
  typescript: 'tsc or Node.js 22.13 or newer',
  bash: 'bash',
}
const MAX_JSON_BYTES = 5 * 1024 * 1024
const TIMEOUT_MS = 30_000
const MAX_OUTPUT_BYTES = 128 * 1024

const input = z.strictObject({
  path: z.string().optional(),
  code: z.string().optional().describe('Instead of path.'),
  language: z.enum(LANGUAGES).optional().describe('Default: by extension.'),
})

export const checkSyntax = defineTool({
  name: 'check_syntax',
  title: 'Check syntax',
  description:
    'Check whether a file, or code, is valid Python, JavaScript, TypeScript, bash or JSON, without running it. Names the first fault ' +
    'with its line. Types and imports are not checked.',
  effect: { readOnly: true, destructive: false, idempotent: true, reachesNetwork: false },
  input,
  output: z.object({
    valid: z.boolean(),
    language: z.enum(LANGUAGES),
    line: z.number().optional(),
    column: z.number().optional(),
    message: z.string().optional(),
  }),

  async run(args, context) {
    const { path, code } = args
    if ((path === undefined) === (code === undefined)) {
      throw new SandboxError('invalid_argument', 'Give exactly one of path and code.')
    }
    const language = args.language ?? languageOf(path)
    const fault =
      language === 'json'
        ? await checkJson(args, context)
        : path === undefined
          ? await checkCode(code ?? '', language, context)
          : await checkFile(path, language, context)
    const name = path === undefined ? 'code' : visibleName(context.sandbox.files.shown(path))
    const place = [name, fault?.line, fault?.column].filter((part) => part !== undefined).join(':')
    return {
      text: fault ? `${place}: ${fault.message}` : `${name}: valid ${language}`,
      footer: footerLine([fault ? 'not valid' : 'valid', language]),
      structured: { valid: fault === undefined, language, ...fault },
    }
  },
})

function languageOf(path: string | undefined): Language {
  const language = path === undefined ? undefined : BY_EXTENSION[posix.extname(path).toLowerCase()]
  if (language) return language
  throw new SandboxError('invalid_argument', 'language: it cannot be told from the name.', {
    hint: `Give one of ${LANGUAGES.join(', ')}.`,
  })
}

async function checkJson({ path, code }: z.output<typeof input>, { sandbox, signal }: ToolContext) {
  if (path === undefined) return jsonFault(code ?? '')
  const { data } = await sandbox.files.readBytes(path, MAX_JSON_BYTES, signal)
  return isUtf8(data) ? jsonFault(data.toString('utf8')) : { message: 'not UTF-8' }
}

/** Code is checked as a file: what checks it reads files, and no argument could hold long code. */
async function checkCode(code: string, language: Exclude<Language, 'json'>, context: ToolContext) {
  const { files } = context.sandbox
  const directory = posix.join('/tmp', `.check-${randomBytes(6).toString('hex')}`)
  try {
    await files.makeDirectory(directory, context.signal, 0o700)
    const path = posix.join(directory, `code${EXTENSIONS[language]}`)
    await files.write(path, Buffer.from(code), { mode: 'create' }, context.signal)
    return await check(path, language, context)
  } finally {
    await files.remove(directory, true).catch((error: unknown) => {
      if (!isSandboxError(error, 'not_found')) throw error
    })
  }
}

async function checkFile(path: string, language: Exclude<Language, 'json'>, context: ToolContext) {
  const { files } = context.sandbox
  const { type } = await files.stat(path, context.signal)
  if (type === 'directory') throw new SandboxError('is_directory', `${visibleName(files.shown(path))} is a directory.`)
  if (type !== 'file') throw new SandboxError('not_a_file', `${visibleName(files.shown(path))} is no regular file.`)
  return check(files.absolute(path), language, context)
}

async function check(
  path: string,
  language: Exclude<Language, 'json'>,
  { sandbox, signal }: ToolContext,
): Promise<SyntaxFault | undefined> {
  const spec = {
    cwd: '/tmp',
    env: { LC_ALL: 'C.UTF-8' },
    timeoutMs: TIMEOUT_MS,
    waitMs: TIMEOUT_MS + 5000,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    private: true,
  }
  let reason = ''
  for (const checker of CHECKERS[language]) {
    try {
      const outcome = await sandbox.commands.run({ ...spec, command: checker.command(path) }, { signal })
      signal.throwIfAborted()
      const text = (stream: typeof outcome.stdout) => Buffer.concat([stream.head, stream.tail]).toString('utf8')
      const end = { exitCode: outcome.exitCode, stdout: text(outcome.stdout), stderr: text(outcome.stderr) }
      const verdict = checker.verdict(end, path)
      if (verdict !== 'unknown') return verdict
      reason ||= `${checker.command(path)[0]}: ${stateWords(outcome)}`
    } catch (error) {
      if (!isMissingProgram(error)) throw error
    }
  }
  if (reason === '') {
    throw new SandboxError('image_unavailable', `The runtime ${sandbox.facts.runtime} cannot check ${language}.`, {
      hint: `That needs ${NEEDED[language]}.`,
    })
  }
  throw new SandboxError('invalid_argument', `It could not be checked (${reason}).`, {
    hint: 'Run it, or what compiles it, with shell_exec to see why.',
  })
}
