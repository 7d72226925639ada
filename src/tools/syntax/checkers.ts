import { oneLine } from '../../lib/visible-text.ts'
import type { SyntaxFault } from './finding.ts'

/** A program of the sandbox that checks a file without running it. */
export interface SyntaxChecker {
  /** The words of its command for an absolute path. */
  command(path: string): readonly string[]
  /**
   * What it said: the fault, undefined when the source is valid, or 'unknown' when it gave no verdict. Its output is untrusted, and
   * quotes the source.
   */
  verdict(ended: CheckerEnd, path: string): SyntaxFault | undefined | 'unknown'
}

export interface CheckerEnd {
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string
}

const MAX_MESSAGE = 300
/** Name of the source in messages of node. */
const INPUT = 'input'

const PYTHON = `
import json, sys, warnings
warnings.simplefilter('ignore')
fault = None
try:
    with open(sys.argv[1], 'rb') as file:
        source = file.read()
    compile(source, '${INPUT}', 'exec', dont_inherit=True)
except SyntaxError as error:
    kind = type(error).__name__
    fault = [error.lineno, error.offset, error.msg if kind == 'SyntaxError' else kind + ': ' + error.msg]
except (ValueError, RecursionError, MemoryError, OverflowError) as error:
    fault = [None, None, type(error).__name__ + ': ' + str(error)]
print(json.dumps(fault))
`

/** compile() of Python itself, isolated from the environment and from site packages. */
export const python: SyntaxChecker = {
  command: (path) => ['python3', '-I', '-S', '-c', PYTHON, path],
  verdict({ exitCode, stdout }) {
    if (exitCode !== 0) return 'unknown'
    const parsed = parseJson(stdout)
    if (parsed === null) return undefined
    if (!Array.isArray(parsed)) return 'unknown'
    const [line, column, message] = parsed as unknown[]
    return { ...position(line, column), message: oneLine(String(message), MAX_MESSAGE) }
  },
}

/**
 * As node itself takes a file: a script first, else a module. What is thrown is left to node to print, since only that has the place of
 * a fault in a module.
 */
const JAVASCRIPT = `
const vm = require('node:vm')
const file = process.argv[1]
const source = require('node:fs').readFileSync(file, 'utf8').replace(/^\\ufeff/, '').replace(/^#!/, '//')
const failure = (compile) => { try { compile() } catch (error) { return error } }
const names = ['exports', 'require', 'module', '__filename', '__dirname']
const asScript = file.endsWith('.mjs') ? true : failure(() => vm.compileFunction(source, names, { filename: '${INPUT}' }))
if (asScript) {
  const asModule = file.endsWith('.cjs') ? true : failure(() => new vm.SourceTextModule(source, { identifier: '${INPUT}' }))
  if (asModule) {
    const isModule = asScript === true || /import statement|'export'|import\\.meta|await is only valid/.test(asScript.message)
    throw asModule !== true && isModule ? asModule : asScript
  }
}
`

export const javascript: SyntaxChecker = {
  command: (path) => ['node', '--no-warnings', '--experimental-vm-modules', `--eval=${JAVASCRIPT}`, '--', path],
  verdict: nodeVerdict,
}

const STRIP_TYPES = `
const strip = require('node:module').stripTypeScriptTypes
if (!strip) process.exit(3)
const source = require('node:fs').readFileSync(process.argv[1], 'utf8').replace(/^\\ufeff/, '').replace(/^#!/, '//')
strip(source, { mode: 'transform', sourceUrl: '${INPUT}' })
`

/** The TypeScript parser in node 22.13 and newer. */
export const nodeTypeScript: SyntaxChecker = {
  command: (path) => ['node', '--no-warnings', `--eval=${STRIP_TYPES}`, '--', path],
  verdict: nodeVerdict,
}

/** The compiler, of whose complaints those about syntax (TS1000 to TS1999) count: without libraries all types are unknown. */
export const typeScriptCompiler: SyntaxChecker = {
  command: (path) => [
    'tsc',
    '--noEmit',
    '--pretty',
    'false',
    '--noLib',
    '--noResolve',
    '--skipLibCheck',
    '--target',
    'esnext',
    '--module',
    'esnext',
    '--jsx',
    'preserve',
    '--allowJs',
    path,
  ],
  verdict({ exitCode, stdout }) {
    const [, line, column, message] = /\((\d+),(\d+)\): error TS1\d{3}: (.*)$/m.exec(stdout) ?? []
    if (message !== undefined)
      return { ...position(Number(line), Number(column)), message: oneLine(message, MAX_MESSAGE) }
    // TS5xxx: it did not understand its options.
    const refused = /(?:^|: )error TS5\d{3}:/m.test(stdout)
    return exitCode === undefined || exitCode > 2 || refused ? 'unknown' : undefined
  },
}

export const bash: SyntaxChecker = {
  command: (path) => ['bash', '-n', path],
  verdict({ exitCode, stderr }, path) {
    if (exitCode === 0) return undefined
    // Each line begins with the path, whatever characters that has.
    const complaints = stderr.split(`${path}: `).slice(1)
    const complaint = complaints.find((each) => !/^line \d+: warning:/.test(each))
    if (exitCode === undefined || complaint === undefined) return 'unknown'
    const [, line, message = complaint] = /^line (\d+): ([^]*)$/.exec(complaint) ?? []
    return { ...position(Number(line), undefined), message: oneLine(message.trim(), MAX_MESSAGE) }
  },
}

/** `input:LINE`, the line, a line of carets, an empty line, `SyntaxError: …`, as node prints what nobody caught. */
function nodeVerdict({ exitCode, stderr }: CheckerEnd): SyntaxFault | undefined | 'unknown' {
  if (exitCode === 0) return undefined
  const lines = stderr.split('\n')
  const at = lines.findIndex((line, index) => index > 1 && /^SyntaxError(?: \[\w+\])?: /.test(line))
  if (at < 0) return 'unknown'
  const message = (lines[at] ?? '').replace(/^SyntaxError(?: \[\w+\])?: /, '')
  const line = new RegExp(`^${INPUT}:(\\d+)$`).exec(lines[0] ?? '')?.[1]
  const carets = lines.slice(1, at).findLast((each) => /^\s*\^+\s*$/.test(each))
  const column = carets === undefined ? undefined : carets.indexOf('^') + 1
  return { ...position(line === undefined ? undefined : Number(line), column), message: oneLine(message, MAX_MESSAGE) }
}

/** Only what is a place in a text. */
function position(line: unknown, column: unknown): Pick<SyntaxFault, 'line' | 'column'> {
  if (!isPositive(line)) return {}
  return isPositive(column) ? { line, column } : { line }
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
