#!/usr/bin/env node
import { parseArgs } from 'node:util'
import type { App } from './app.ts'
import { settingsHelp } from './config/describe.ts'
import { type LoadedConfig, loadConfig } from './config/load.ts'
import { flagOf, type Setting, SETTING_KEYS, SETTINGS } from './config/settings.ts'
import { isSandboxError, SandboxError } from './errors/sandbox-error.ts'
import type { Output } from './operator/output.ts'
import { VERSION } from './version.ts'

/** Exit code of a command line that cannot be understood (EX_USAGE, sysexits.h). */
const EXIT_USAGE = 64

interface CommandLine {
  readonly command: string
  readonly words: readonly string[]
  readonly loaded: LoadedConfig
  readonly out: Output
  readonly all: boolean
  /** Flags of single commands, as given. */
  readonly given: Readonly<Record<string, unknown>>
}

/** Subcommands, loaded when used: `--help` need not load an engine's client. */
const COMMANDS: Readonly<Record<string, { summary: string; run: (line: CommandLine) => Promise<void> }>> = {
  serve: {
    summary: 'Serve MCP over stdio (the default), or over HTTP with --transport http.',
    run: async ({ loaded }) => (await import('./serve.ts')).serve(loaded.config, process.env),
  },
  config: {
    summary: 'Show the effective settings and where each comes from.',
    run: async ({ loaded, out }) => (await import('./operator/config.ts')).showConfig(loaded, out),
  },
  build: {
    summary: 'Build the image of a runtime (names, or --all), so that no call waits for it.',
    run: async ({ loaded, out, words, all }) => {
      const { build } = await import('./operator/build.ts')
      const names = words.length > 0 ? words : [loaded.config.runtime]
      // Says itself what failed, and why.
      await withApp(loaded, (app) => build({ names, all }, { ...app, out }), 'silent')
    },
  },
  runtimes: {
    summary: 'List the runtimes: their packages, which are built, how many sandboxes use each.',
    run: async ({ loaded, out }) => {
      const { listRuntimes } = await import('./operator/runtimes.ts')
      await withApp(loaded, (app) => listRuntimes({ ...app, out }))
    },
  },
  token: {
    summary: 'Tokens of --auth tokens: add USER [--name NAME] [--expires 90d] [--scope SCOPES], list, revoke ID.',
    run: async ({ loaded, out, words, given }) => {
      const { token } = await import('./operator/token.ts')
      const [name, expires, scope] = [textOf(given['name']), textOf(given['expires']), textOf(given['scope'])]
      await token({ words, name, expires, scope }, { path: loaded.config.tokensFile, out })
    },
  },
}

/** Flags of `token add`. */
const TOKEN_OPTIONS = {
  name: { type: 'string' },
  expires: { type: 'string' },
  scope: { type: 'string' },
} as const

/** Connects the parts of the program for one command, and lets go of them. */
async function withApp(
  loaded: LoadedConfig,
  use: (app: App) => Promise<unknown>,
  logLevel: 'warn' | 'silent' = 'warn',
): Promise<void> {
  const { createApp } = await import('./app.ts')
  const { createLogger } = await import('./log.ts')
  const app = createApp(loaded.config, process.env, createLogger(logLevel))
  try {
    await use(app)
  } finally {
    await app.close()
  }
}

const HELP = `sandbox-mcp ${VERSION}: a private, disposable Linux computer for every agent user, over MCP

Usage: sandbox-mcp [COMMAND] [SETTINGS]

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(22)} ${summary}`)
  .join('\n')}

  --config FILE          JSON file with settings by their camelCase names
  --json                 Machine-readable output of config, build, runtimes and token
  --help, --version

Settings (flag, variable, default)
${settingsHelp()
  .map(
    ({ flag, variable, fallback, about }) =>
      `  ${flag.padEnd(22)} ${about}\n${' '.repeat(25)}${variable}, default ${fallback || 'empty'}`,
  )
  .join('\n')}
`

async function main(argv: readonly string[]): Promise<number> {
  const options = {
    ...Object.fromEntries(SETTING_KEYS.map((key) => [flagOf(key), { type: flagType(SETTINGS[key]) }])),
    config: { type: 'string' as const },
    ...TOKEN_OPTIONS,
    all: { type: 'boolean' as const },
    json: { type: 'boolean' as const },
    help: { type: 'boolean' as const, short: 'h' },
    version: { type: 'boolean' as const },
  }
  const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true })
  if (values.help) return print(HELP)
  if (values.version) return print(`${VERSION}\n`)
  const [command = 'serve', ...words] = positionals
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
  await known.run({ command, words, loaded, out, all: values['all'] === true, given })
  return 0
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
    return { text: `${error.code}: ${error.message}\n${error.hint}\n`, exitCode: error.facts.exitCode }
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
