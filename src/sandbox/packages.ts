import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { SandboxError } from '../errors/sandbox-error.ts'
import { oneLine, visibleText } from '../lib/visible-text.ts'
import type { Commands } from './commands.ts'
import type { SandboxFacts } from './facts.ts'
import type { Files } from './files.ts'
import { installName, TEMPORARY_DIR } from './temporary-names.ts'
import type { CommandOutcome } from './outcome.ts'
import { AMPLE_SPACE, type Space } from './space.ts'

export type InstallManager = SandboxFacts['packageManager']

export interface InstallRequest {
  readonly manager: InstallManager
  readonly packages: readonly string[]
  /** Also replace what is there by the newest that fits. */
  readonly upgrade: boolean
}

export interface InstallOptions {
  /** Ends the download or the install when it fires. */
  readonly signal: AbortSignal
  readonly onProgress?: ((text: string) => void) | undefined
}

export interface Installed {
  readonly packages: readonly { readonly name: string; readonly version: string }[]
  /** Path inside the sandbox of what the download and the install printed. */
  readonly logPath: string
  readonly durationMs: number
}

/** Where packages come from. It is not the sandbox: that one never gets a network for this. */
export interface PackageSupply {
  /** Checks the names and downloads the packages with all that they need; its errors are the caller's answer. */
  fetch(request: InstallRequest, options: InstallOptions): Promise<SuppliedPackages>
}

export interface SuppliedPackages {
  /** A tar archive with `fetch.log` and `files/`; can be read once. */
  readonly archive: AsyncIterable<Uint8Array>
  /** The npm registry as the files name it. */
  readonly registry: string
  /** Frees what the supply holds; to be called in any case. */
  close(): Promise<void>
}

const SCRIPT = fileURLToPath(new URL('../../runtimes/packages/install.sh', import.meta.url))
const INSTALL_TIMEOUT_MS = 10 * 60_000
const OUTPUT_BYTES = 32 * 1024
const MAX_VERSION_LENGTH = 100

/**
 * Installs packages into the user's environment, below the workspace, so that they outlive the container. What was downloaded
 * elsewhere is installed inside, by an ordinary command of the user without any network. One install of a user at a time.
 */
export class Packages {
  readonly #facts: SandboxFacts
  readonly #commands: Commands
  readonly #files: Files
  readonly #supply: PackageSupply
  readonly #space: Space
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    facts: SandboxFacts,
    commands: Commands,
    files: Files,
    supply: PackageSupply,
    space: Space = AMPLE_SPACE,
  ) {
    this.#space = space
    this.#facts = facts
    this.#commands = commands
    this.#files = files
    this.#supply = supply
  }

  /** Installs, after the installs that were asked for before. Errors as of {@link PackageSupply}, and `install_failed`, `disk_full`. */
  install(request: InstallRequest, options: InstallOptions): Promise<Installed> {
    const mine = this.#last.then(() => {
      options.signal.throwIfAborted()
      return this.#install(request, options)
    })
    this.#last = mine.catch(() => undefined)
    return mine
  }

  async #install(request: InstallRequest, options: InstallOptions): Promise<Installed> {
    const { signal, onProgress } = options
    const started = performance.now()
    // Before anything is downloaded for it.
    await this.#space.require(0, signal)
    const supplied = await this.#supply.fetch(request, options)
    const dir = `${this.#facts.workspace}/${TEMPORARY_DIR}/${installName()}`
    try {
      onProgress?.('bringing the packages into the sandbox')
      await this.#files.write(`${dir}/packages.tar`, supplied.archive, { mode: 'create' }, signal)
    } finally {
      await supplied.close()
    }
    onProgress?.('installing')
    const words = [dir, supplied.registry, request.upgrade ? 'upgrade' : '', request.manager, ...request.packages]
    const timeoutMs = Math.min(INSTALL_TIMEOUT_MS, this.#facts.maxTimeoutMs)
    const outcome = await this.#commands.run(
      {
        command: ['/bin/sh', '-c', await readFile(SCRIPT, 'utf8'), 'install.sh', ...words],
        cwd: '/',
        // The caller's HOME is the workspace; the prefix of all packages lies below it.
        env: { HOME: this.#facts.workspace },
        timeoutMs,
        waitMs: timeoutMs,
        maxOutputBytes: OUTPUT_BYTES,
        private: true,
      },
      { signal, onProgress: onProgress && (() => onProgress('installing')) },
    )
    const logPath = `${this.#facts.workspace}/.local/install.log`
    if (outcome.status !== 'exited' || outcome.exitCode !== 0) throw fault(request.manager, outcome, logPath)
    return { packages: installedOf(outcome, request), logPath, durationMs: performance.now() - started }
  }
}

/** What the script printed is the sandbox's word: only lines of the asked number, bounded and safe to show, get through. */
function installedOf({ stdout }: CommandOutcome, { packages }: InstallRequest): Installed['packages'] {
  return visibleText(Buffer.concat([stdout.head, stdout.tail]))
    .split('\n')
    .filter((line) => line.includes('\t'))
    .slice(0, packages.length)
    .map((line) => {
      const [name = '', version = ''] = line.split('\t')
      return { name: oneLine(name, MAX_VERSION_LENGTH), version: oneLine(version, MAX_VERSION_LENGTH) }
    })
}

function fault(manager: InstallManager, { status, exitCode, stdout }: CommandOutcome, logPath: string): SandboxError {
  const output = visibleText(Buffer.concat([stdout.head, stdout.tail]))
  if (/No space left on device|Disk quota exceeded/i.test(output)) {
    return new SandboxError('disk_full', 'The packages do not fit into the workspace.')
  }
  const how = status === 'exited' ? `exit code ${exitCode}` : status.replace('_', ' ')
  return new SandboxError('install_failed', `${manager} could not install the packages (${how}).`, {
    hint: `The end of ${logPath} says why. Nothing else was changed.`,
    details: { output },
  })
}
