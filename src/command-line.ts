import { existsSync } from 'node:fs'
import type { App } from './app.ts'
import type { LoadedConfig } from './config/load.ts'
import type { Logger } from './lib/logger.ts'
import type { Output } from './operator/output.ts'

/** One command line, understood. */
export interface CommandLine {
  readonly env: NodeJS.ProcessEnv
  /** What stands after the command, flags apart. */
  readonly words: readonly string[]
  readonly loaded: LoadedConfig
  readonly out: Output
  readonly flags: CommandFlags
}

/** Flags of single commands; settings are flags of all of them. */
export const COMMAND_OPTIONS = {
  all: { type: 'boolean' },
  force: { type: 'boolean' },
  yes: { type: 'boolean' },
  backups: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  size: { type: 'boolean' },
  follow: { type: 'boolean', short: 'f' },
  interactive: { type: 'boolean', short: 'i' },
  list: { type: 'boolean' },
  'no-verify': { type: 'boolean' },
  remove: { type: 'string' },
  name: { type: 'string' },
  expires: { type: 'string' },
  scope: { type: 'string' },
} as const

export type CommandFlags = {
  readonly [K in keyof typeof COMMAND_OPTIONS]?:
    | ((typeof COMMAND_OPTIONS)[K]['type'] extends 'boolean' ? boolean : string)
    | undefined
}

/** Connects the parts of the program for one command, and lets go of them. */
export async function withApp<T>(
  { loaded, env }: CommandLine,
  use: (app: App, logger: Logger) => Promise<T>,
  logLevel: 'warn' | 'silent' = 'warn',
): Promise<T> {
  const { createApp } = await import('./app.ts')
  const { createLogger } = await import('./log.ts')
  const logger = createLogger(logLevel)
  const app = createApp(loaded.config, env, logger)
  try {
    return await use(app, logger)
  } finally {
    await app.close()
  }
}

/** What measuring the files of sandboxes takes: the image of a runtime, any of those that are built. */
export function sizeDeps({ engine, images, catalogue }: App) {
  return {
    engine,
    anyRuntime: async () => {
      for (const name of catalogue.names) {
        const found = await images.find(name)
        if (found) return found
      }
      return undefined
    },
  }
}

/** What commands about copies of workspaces take. Ctrl-C gives them up. */
export function backupDeps({ backups, engine }: App, { out }: CommandLine) {
  return { backups, engine, out, stderr: (text: string) => void process.stderr.write(text), signal: interrupted() }
}

/** The user that a command names. `invalid_argument` when it names none. */
export async function identityIn(loaded: LoadedConfig, user: string | undefined) {
  const { identityFrom } = await import('./operator/sandboxes.ts')
  return identityFrom(loaded.config.installation, user)
}

/** The users that the configuration names. */
export async function usersOf({ config }: LoadedConfig): Promise<ReadonlySet<string>> {
  const { readTokens } = await import('./http/auth/token-file.ts')
  const tokens = existsSync(config.tokensFile) ? readTokens(config.tokensFile) : []
  return new Set([config.user, ...config.runtimes.keys(), ...config.users.keys(), ...tokens.map(({ user }) => user)])
}

/** Users whom the configuration gives a container of the operator's. */
export async function attachedIn({ config }: LoadedConfig) {
  const { attachedUsers } = await import('./operator/attached.ts')
  const { userProfiles } = await import('./app/user-profiles.ts')
  return attachedUsers(config.installation, userProfiles(config))
}

/** This process's own output, for that of a command in a sandbox. */
export async function terminalSinks() {
  const { sinkTo } = await import('./operator/process-output.ts')
  return { stdout: sinkTo(process.stdout), stderr: sinkTo(process.stderr) }
}

/** Fires at the first Ctrl-C, which is then not the end of this process; the second one is. */
export function interrupted(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort())
  return controller.signal
}

/** All of standard input. */
export async function readStdin(): Promise<string> {
  const { text } = await import('node:stream/consumers')
  return text(process.stdin)
}
