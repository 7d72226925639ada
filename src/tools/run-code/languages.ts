import { posix } from 'node:path'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { PREAMBLE, PREAMBLE_FILE, PREAMBLE_VARIABLES } from './python-preamble.ts'

export const LANGUAGES = ['python', 'javascript', 'typescript', 'bash'] as const
export type Language = (typeof LANGUAGES)[number]

/** A program to run: the source itself, or the path of its file (absolute). */
export type Source = { readonly code: string } | { readonly path: string }

/** How a program is started. */
export interface LaunchPlan {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Written below the directory of the run before it starts, by name. */
  readonly files: Readonly<Record<string, string>>
}

export interface LaunchOptions {
  readonly source: Source
  readonly args: readonly string[]
  /** Absolute working directory. */
  readonly cwd: string
  /** The caller's own variables. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute directory that belongs to the run. */
  readonly directory: string
  readonly sandbox: Sandbox
  readonly signal: AbortSignal
}

/** Below the directory of a run. */
export const FIGURES = 'figures'
/** Largest argument of a program in Linux (MAX_ARG_STRLEN, execve(2)), with room for the option's name. */
const MAX_ARGUMENT_BYTES = 128 * 1024 - 64
/** Names that no module of the standard library has: the directory of a script comes first on its search path. */
const PYTHON_FILE = 'run_code.py'
const BASH_FILE = 'run_code.sh'
const TRANSFORM = '--experimental-transform-types'
const STRIP = '--experimental-strip-types'
const DETECT = '--experimental-detect-module'
const QUIET = '--disable-warning=ExperimentalWarning'
/** TypeScript that is more than types. To translate it shifts line numbers in some messages, so that it is done only when needed. */
const NEEDS_TRANSFORM = /\b(?:enum|namespace|module)\s+[\w"']|\b(?:public|private|protected|readonly)\s+\w+\s*[,:?)]/

/** The program that each language is started with. */
export const INTERPRETERS: Readonly<Record<Language, string>> = {
  python: 'python3',
  javascript: 'node',
  typescript: 'node',
  bash: 'bash',
}

export function planLaunch(language: Language, options: LaunchOptions): LaunchPlan | Promise<LaunchPlan> {
  switch (language) {
    case 'python':
      return planPython(options)
    case 'javascript':
      return planJavaScript(options)
    case 'typescript':
      return planTypeScript(options)
    case 'bash':
      break
  }
  return planBash(options)
}

/** From a file, so that tracebacks quote their lines; with the working directory on the search path, as `python -c` has it. */
function planPython({ source, args, cwd, env, directory, sandbox }: LaunchOptions): LaunchPlan {
  const isCode = 'code' in source
  const preamble = posix.join(directory, 'preamble')
  const original = env['PYTHONPATH'] ?? sandbox.facts.env['PYTHONPATH'] ?? ''
  const searched = [preamble, ...(isCode ? [cwd] : []), ...(original === '' ? [] : [original])]
  return {
    command: ['python3', isCode ? posix.join(directory, PYTHON_FILE) : source.path, ...args],
    env: {
      PYTHONPATH: searched.join(':'),
      [PREAMBLE_VARIABLES.pythonPath]: original,
      [PREAMBLE_VARIABLES.figures]: posix.join(directory, FIGURES),
    },
    files: { [`preamble/${PREAMBLE_FILE}`]: PREAMBLE, ...(isCode ? { [PYTHON_FILE]: source.code } : {}) },
  }
}

/** From a file, which bash reads as it goes: a string would be no file to name in its messages. */
function planBash({ source, args, directory }: LaunchOptions): LaunchPlan {
  const isCode = 'code' in source
  return {
    command: ['bash', isCode ? posix.join(directory, BASH_FILE) : source.path, ...args],
    env: {},
    files: isCode ? { [BASH_FILE]: source.code } : {},
  }
}

async function planJavaScript({ source, args, sandbox, signal }: LaunchOptions): Promise<LaunchPlan> {
  const node = await sandbox.inventory.node(signal)
  // Default in newer ones: import and export make code a module.
  const options = node?.options.has(DETECT) === true ? [DETECT] : []
  return nodePlan(source, options, args)
}

async function planTypeScript({ source, args, sandbox, signal }: LaunchOptions): Promise<LaunchPlan> {
  const node = await sandbox.inventory.node(signal)
  const fromFile = 'path' in source
  const canStrip = node?.typescript === true || (fromFile && node?.options.has(STRIP) === true)
  if (node && !canStrip) {
    throw new SandboxError('image_unavailable', `TypeScript needs Node.js 22.18 or newer; here is ${node.version}.`, {
      hint: 'Run it as javascript after tsc or another compiler, or use a runtime with a newer Node.js.',
    })
  }
  const needsTransform = fromFile || NEEDS_TRANSFORM.test(source.code)
  const transform = needsTransform && node?.options.has(TRANSFORM) === true ? TRANSFORM : undefined
  const strip = node && !node.typescript ? STRIP : undefined
  const quiet = node?.options.has('--disable-warning') === true ? QUIET : undefined
  const options = [quiet, transform ?? strip].filter((each) => each !== undefined)
  return nodePlan(source, options, args)
}

/** Code as an argument: what it imports is found from the working directory, and stdin stays its own. */
function nodePlan(source: Source, options: readonly string[], args: readonly string[]): LaunchPlan {
  if ('path' in source) return { command: ['node', ...options, source.path, ...args], env: {}, files: {} }
  if (Buffer.byteLength(source.code) > MAX_ARGUMENT_BYTES) {
    throw new SandboxError('too_large', 'code is longer than 128 KiB.', {
      hint: 'Write it with write_file (.mjs for modules, .ts for TypeScript), then run it with path.',
    })
  }
  return { command: ['node', ...options, `--eval=${source.code}`, '--', ...args], env: {}, files: {} }
}
