#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { COMMAND_OPTIONS } from './command-line.ts'
import { COMMANDS } from './commands.ts'
import { settingsHelp } from './config/describe.ts'
import { loadConfig } from './config/load.ts'
import { flagOf, type Setting, SETTING_KEYS, SETTINGS } from './config/settings.ts'
import { isSandboxError, SandboxError } from './errors/sandbox-error.ts'
import { engineWords } from './operator/engine-words.ts'
import type { Output } from './operator/output.ts'
import { VERSION } from './version.ts'

/** Exit code of a command line that cannot be understood (EX_USAGE, sysexits.h). */
const EXIT_USAGE = 64

const HELP = `sandbox-mcp ${VERSION}: a private, disposable Linux computer for every agent user, over MCP

Usage: sandbox-mcp [COMMAND] [SETTINGS]

${Object.entries(COMMANDS)
  .map(([name, { usage, summary }]) => helpEntry(`${name} ${usage}`.trimEnd(), summary))
  .join('\n')}

  --config FILE          JSON file with settings by their camelCase names
  --json                 One JSON document in place of tables and sentences
  --help, --version

Settings (flag, variable, default)
${settingsHelp()
  .map(({ flag, variable, fallback, about }) =>
    helpEntry(flag, `${about}\n${' '.repeat(25)}${variable}, default ${fallback || 'empty'}`),
  )
  .join('\n')}
`

/** Of one command: what it takes, without the settings, which are those of all. */
function helpOf(command: string): string | undefined {
  const known = COMMANDS[command]
  // What serve takes are the settings.
  if (!known || command === 'serve') return undefined
  return `Usage: ${`sandbox-mcp ${command} ${known.usage}`.trimEnd()}

${known.summary}

Further flags: --json, --config FILE, and the settings; see sandbox-mcp --help.
`
}

/** What is named, and from column 25 on what it is: on the next line after a name that is longer than that. */
function helpEntry(name: string, about: string): string {
  return name.length <= 22 ? `  ${name.padEnd(22)} ${about}` : `  ${name}\n${' '.repeat(25)}${about}`
}

async function main(argv: readonly string[]): Promise<number> {
  const options = {
    ...Object.fromEntries(SETTING_KEYS.map((key) => [flagOf(key), { type: flagType(SETTINGS[key]) }])),
    config: { type: 'string' as const },
    ...COMMAND_OPTIONS,
    json: { type: 'boolean' as const },
    help: { type: 'boolean' as const, short: 'h' },
    version: { type: 'boolean' as const },
  }
  const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true })
  const [command = 'serve', ...words] = positionals
  if (values.help) return print(helpOf(command) ?? HELP)
  if (values.version) return print(`${VERSION}\n`)
  const known = COMMANDS[command]
  if (!known) {
    throw new SandboxError('invalid_argument', `Unknown command "${command}".`, { hint: 'See sandbox-mcp --help.' })
  }
  const given: Readonly<Record<string, unknown>> = values
  const flags = Object.fromEntries(SETTING_KEYS.map((key) => [flagOf(key), textOf(given[flagOf(key)])]))
  const file = textOf(values['config']) ?? process.env['SANDBOX_CONFIG']
  const loaded = loadConfig({ flags, env: process.env, file: file || undefined })
  const isTerminal = process.stdout.isTTY && !process.env['NO_COLOR']
  const out: Output = { write: (text) => process.stdout.write(text), isTerminal, json: values['json'] === true }
  const exitCode = await known.run({ env: process.env, words, loaded, out, flags: values })
  return typeof exitCode === 'number' ? exitCode : 0
}

function flagType({ isSwitch }: Setting): 'boolean' | 'string' {
  return isSwitch ? 'boolean' : 'string'
}

/** A flag's value as text, as if it came from the environment. */
function textOf(value: unknown): string | undefined {
  if (value === true) return 'true'
  return typeof value === 'string' ? value : undefined
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

/** What to say on stderr, and the exit code of its kind. */
function failure(error: unknown): { text: string; exitCode: number } {
  if (isSandboxError(error)) {
    const reason = engineWords(error)
    const said = reason === undefined ? '' : `The engine says: ${reason}\n`
    return { text: `${error.code}: ${error.message}\n${said}${error.hint}\n`, exitCode: error.facts.exitCode }
  }
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS')) {
    return { text: `${(error as Error).message}\nSee sandbox-mcp --help.\n`, exitCode: EXIT_USAGE }
  }
  return { text: `internal: ${error instanceof Error ? error.stack : String(error)}\n`, exitCode: 70 }
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const { text, exitCode } = failure(error)
  process.stderr.write(text)
  process.exitCode = exitCode
}
