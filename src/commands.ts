import {
  attachedIn,
  backupDeps,
  type CommandLine,
  identityIn,
  interrupted,
  readStdin,
  sizeDeps,
  terminalSinks,
  usersOf,
  withApp,
} from './command-line.ts'
import type { VolumeDetails } from './engine/engine.ts'

interface Command {
  /** What follows the command's name. */
  readonly usage: string
  readonly summary: string
  /** Resolves to the exit code where it is not 0. */
  readonly run: (line: CommandLine) => Promise<number | void>
}

/** Exit code of `doctor` when something failed (EX_UNAVAILABLE, sysexits.h). */
const EXIT_UNFIT = 69

/** Subcommands, loaded when used: `--help` need not load an engine's client. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    usage: '',
    summary: 'Serve MCP over stdio (the default), or over HTTP with --transport http.',
    run: async ({ loaded, env }) => (await import('./serve.ts')).serve(loaded.config, env),
  },
  doctor: {
    usage: '',
    summary: 'Find out whether sandboxes work here, and safely: engine, kernel, disk, images, one sandbox tried.',
    run: async (line) => {
      const { loaded, out } = line
      const { doctor } = await import('./operator/doctor/doctor.ts')
      const { config } = loaded
      const isFit = await withApp(line, (app) => doctor({ ...app, provider: app.registry, config, out }))
      return isFit ? 0 : EXIT_UNFIT
    },
  },
  config: {
    usage: '',
    summary: 'Show the effective settings and where each comes from.',
    run: async ({ loaded, out }) => (await import('./operator/config.ts')).showConfig(loaded, out),
  },
  build: {
    usage: '[NAME…|--all]',
    summary: 'Build the images of runtimes, so that no call waits for one.',
    run: async (line) => {
      const { loaded, out, words, flags } = line
      const { build } = await import('./operator/build.ts')
      const names = words.length > 0 ? words : [loaded.config.runtime]
      // Says itself what failed, and why: the log would tell it again.
      await withApp(line, (app) => build({ names, all: flags.all === true }, { ...app, out }), 'silent')
    },
  },
  runtimes: {
    usage: '',
    summary: 'List the runtimes: their packages, which are built, how many sandboxes use each.',
    run: async (line) => {
      const { out } = line
      const { listRuntimes } = await import('./operator/runtimes.ts')
      await withApp(line, (app) => listRuntimes({ ...app, out }))
    },
  },
  list: {
    usage: '[--size]',
    summary: 'List the sandboxes, also those that sleep; --size measures their files, which takes a moment for each.',
    run: async (line) => {
      const { loaded, out, flags } = line
      const { listSandboxes } = await import('./operator/list.ts')
      const { installation } = loaded.config
      const knownUsers = await usersOf(loaded)
      const attached = await attachedIn(loaded)
      await withApp(line, (app) => {
        const sizes = flags.size === true ? sizeDeps(app) : undefined
        return listSandboxes({ engine: app.engine, installation, knownUsers, attached, sizes, out })
      })
    },
  },
  show: {
    usage: 'USER',
    summary: 'Show one sandbox: state, limits, use, what runs.',
    run: async (line) => {
      const { loaded, out, words } = line
      const { showSandbox } = await import('./operator/show.ts')
      const identity = await identityIn(loaded, words[0])
      const attached = await attachedIn(loaded)
      await withApp(line, (app) => showSandbox(identity, { ...sizeDeps(app), attached, out }))
    },
  },
  exec: {
    usage: '[-i] USER -- COMMAND',
    summary: 'Run a command in a user’s sandbox, as the user; -i passes standard input on (up to 512 KiB).',
    run: async (line) => {
      const { loaded, words, flags } = line
      const { execInSandbox } = await import('./operator/exec.ts')
      const [user = '', ...command] = words
      const stdin = flags.interactive === true ? await readStdin() : undefined
      const sinks = await terminalSinks()
      return await withApp(line, ({ registry }, logger) =>
        execInSandbox(
          { user, words: command },
          {
            provider: registry,
            maxTimeoutMs: loaded.config.maxTimeout,
            sinks,
            stdin,
            interrupted: interrupted(),
            logger,
          },
        ),
      )
    },
  },
  logs: {
    usage: '[-f] USER [ID]',
    summary: 'List the commands of a sandbox that runs, or print the output of one; -f follows it.',
    run: async (line) => {
      const { loaded, out, words, flags } = line
      const { showLogs } = await import('./operator/logs.ts')
      const identity = await identityIn(loaded, words[0])
      const sinks = await terminalSinks()
      const args = { id: words[1], follow: flags.follow === true }
      await withApp(line, ({ engine }) => showLogs(identity, args, { engine, out, sinks, signal: interrupted() }))
    },
  },
  stop: {
    usage: 'USER [--force]',
    summary: 'Put a sandbox to sleep; its files stay. One that is in use only with --force.',
    run: async (line) => {
      const { loaded, out, words, flags } = line
      const { stopSandbox } = await import('./operator/stop.ts')
      const identity = await identityIn(loaded, words[0])
      await withApp(line, ({ engine }) => stopSandbox(identity, { force: flags.force === true }, { engine, out }))
    },
  },
  destroy: {
    usage: 'USER --yes [--backups]',
    summary: 'Remove a user’s sandbox and all its files for good; with --backups also their backups and snapshots.',
    run: async (line) => {
      const { loaded, out, words, flags } = line
      const { destroySandbox } = await import('./operator/destroy.ts')
      const identity = await identityIn(loaded, words[0])
      const args = { confirmed: flags.yes === true, withBackups: flags.backups === true }
      await withApp(line, ({ engine, backups }) => destroySandbox(identity, args, { engine, backups, out }))
    },
  },
  prune: {
    usage: '[--yes|--dry-run]',
    summary: 'Show what ended servers and sessions left behind, and with --yes remove it. Never a user’s files.',
    run: async (line) => {
      const { loaded, out, flags } = line
      const { prune } = await import('./operator/prune/prune.ts')
      const { sandboxLeftovers } = await import('./operator/prune/sandbox-leftovers.ts')
      const { imageLeftovers } = await import('./operator/prune/image-leftovers.ts')
      const { SUPERSEDED_KEPT_MS } = await import('./runtimes/prune-images.ts')
      const confirmed = flags.yes === true && flags['dry-run'] !== true
      const { isEmptyVolume } = await import('./registry/quota/measure-sleeping.ts')
      await withApp(line, async (app) => {
        const { engine, images, catalogue } = app
        const isEmpty = async (volume: VolumeDetails) => {
          const runtime = await sizeDeps(app).anyRuntime()
          return runtime !== undefined && (await isEmptyVolume(engine, volume, runtime.imageId))
        }
        const sources = [
          () => sandboxLeftovers(engine, loaded.config.installation, isEmpty),
          () => imageLeftovers(images, catalogue.names, SUPERSEDED_KEPT_MS),
        ]
        await prune({ confirmed }, { sources, out })
      })
    },
  },
  backup: {
    usage: 'USER [--no-verify] | USER --list | USER --remove ID',
    summary: 'Copy a user’s files to where backups are kept, and restore the copy on trial; list or remove backups.',
    run: async (line) => {
      const { loaded, words, flags } = line
      const { backup } = await import('./operator/backup.ts')
      const identity = await identityIn(loaded, words[0])
      const args = { list: flags.list === true, remove: flags.remove, verify: flags['no-verify'] !== true }
      await withApp(line, (app) => backup(identity, args, backupDeps(app, line)))
    },
  },
  restore: {
    usage: 'USER [ID] [--yes]',
    summary:
      'Make a backup, by default the newest, the user’s files; with --yes also where there are some, which go when it is there as a whole.',
    run: async (line) => {
      const { loaded, words, flags } = line
      const { restore } = await import('./operator/restore.ts')
      const identity = await identityIn(loaded, words[0])
      const args = { id: words[1], confirmed: flags.yes === true }
      await withApp(line, (app) => restore(identity, args, backupDeps(app, line)))
    },
  },
  export: {
    usage: 'USER FILE|- [--force]',
    summary:
      'Write a user’s files into one archive, for another installation or machine; a file that is there already only with --force.',
    run: async (line) => {
      const { loaded, words, flags } = line
      const { exportWorkspace } = await import('./operator/export.ts')
      const identity = await identityIn(loaded, words[0])
      const args = { file: words[1], force: flags.force === true }
      await withApp(line, (app) => exportWorkspace(identity, args, backupDeps(app, line)))
    },
  },
  import: {
    usage: 'USER FILE|- [--yes]',
    summary: 'Make an archive of export the files of a user, whoever’s it was; with --yes also where there are some.',
    run: async (line) => {
      const { loaded, words, flags } = line
      const { importWorkspace } = await import('./operator/import.ts')
      const identity = await identityIn(loaded, words[0])
      const args = { file: words[1], confirmed: flags.yes === true }
      await withApp(line, (app) => importWorkspace(identity, args, backupDeps(app, line)))
    },
  },
  token: {
    usage: 'add USER|list|revoke ID',
    summary: 'Tokens of --auth tokens; add takes --name NAME, --expires 90d, --scope SCOPES.',
    run: async ({ loaded, out, words, flags: { name, expires, scope } }) => {
      const { token } = await import('./operator/token.ts')
      await token({ words, name, expires, scope }, { path: loaded.config.tokensFile, out })
    },
  },
}
