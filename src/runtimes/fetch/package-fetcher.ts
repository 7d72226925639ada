import { readFile } from 'node:fs/promises'
import pLimit from 'p-limit'
import type { Engine, Labels } from '../../engine/engine.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { HelperContainer, INPUT_DIR } from '../helper-container.ts'
import { packageFault, type PackageManager } from '../package-names.ts'
import { type PackageSources, publicUrl, sourceFiles } from '../package-sources.ts'
import type { ReadyRuntime } from '../ready-runtime.ts'
import { smallArchive } from '../small-archive.ts'
import { checkedArchive } from './download-archive.ts'
import { fetchFault, FetchLog } from './fetch-log.ts'

/** What the operator allows the container that downloads packages to reach; the users' own sandboxes never get it. */
export type InstallNetwork = 'none' | 'bridge' | 'host'

export interface PackageFetcherOptions {
  readonly engine: Engine
  readonly sources: PackageSources
  readonly network: InstallNetwork
  /** Bytes of one download. */
  readonly maxBytes: number
  /** OCI runtime of containers whose own runtime names none. */
  readonly ociRuntime: string | undefined
  /** Names of the runtimes that a user may switch to, for whoever must do without a download. */
  readonly runtimes: readonly string[]
}

export interface FetchRequest {
  readonly manager: Exclude<PackageManager, 'node'>
  readonly packages: readonly string[]
}

/** For whom, and with which image. */
export interface FetchScene {
  readonly runtime: ReadyRuntime
  /** By which what a killed server left is found. */
  readonly labels: Labels
  /** Network that the user's own sandbox has. */
  readonly sandboxNetwork: 'none' | 'bridge'
}

export interface FetchCall {
  readonly signal: AbortSignal
  readonly onProgress?: ((text: string) => void) | undefined
}

/** Packages that were downloaded: a tar archive with `fetch.log` and `files/`, once. */
export interface FetchedPackages {
  readonly archive: AsyncIterable<Uint8Array>
  /** The npm registry, as the download's cache names it. */
  readonly registry: string
  /** Removes the container that they are in. */
  close(): Promise<void>
}

const PACKAGES_DIR = new URL('../../../runtimes/packages/', import.meta.url)
const SCRIPTS = ['fetch.sh', 'sources.sh']
const DEADLINE_MS = 10 * 60_000
const MAX_ENTRIES = 16_000
/** Downloads of one server at a time; each may take as much memory as it may download. */
const MAX_AT_ONCE = 2
const NPM_REGISTRY = 'https://registry.npmjs.org/'

/**
 * Downloads packages for sandboxes that have no network. Not a proxy and not a route: a container of its own, with the network that
 * the operator allows, gets the names of the packages, and gives files.
 */
export class PackageFetcher {
  readonly #options: PackageFetcherOptions
  readonly #limit = pLimit(MAX_AT_ONCE)

  constructor(options: PackageFetcherOptions) {
    this.#options = options
  }

  /**
   * Downloads packages with all that they need. `invalid_argument` for a name that is none, `network_disabled` where the operator
   * allows no download, `package_not_found`, `index_unreachable`, `too_large`, `install_failed`; or the signal's reason.
   */
  async fetch(request: FetchRequest, scene: FetchScene, call: FetchCall): Promise<FetchedPackages> {
    for (const name of request.packages) {
      const fault = packageFault(request.manager, name)
      if (fault !== undefined) throw new SandboxError('invalid_argument', `packages: ${fault}.`)
    }
    const { network, runtimes } = this.#options
    const allowed = network === 'none' ? scene.sandboxNetwork : network
    if (allowed === 'none') throw networkDisabled(runtimes)
    return await this.#limit(() => this.#fetch(request, scene, call, allowed))
  }

  async #fetch(
    { manager, packages }: FetchRequest,
    { runtime, labels }: FetchScene,
    { signal, onProgress }: FetchCall,
    network: InstallNetwork,
  ): Promise<FetchedPackages> {
    const { engine, sources, maxBytes, ociRuntime } = this.#options
    const scripts = SCRIPTS.map(async (name) => [name, await readFile(new URL(name, PACKAGES_DIR))] as const)
    const input = await smallArchive(new Map([...(await Promise.all(scripts)), ...(await sourceFiles(sources))]))
    const deadline = AbortSignal.timeout(DEADLINE_MS)
    const until = AbortSignal.any([signal, deadline])
    onProgress?.(`downloading from the ${manager} index`)
    const spec = {
      imageId: runtime.imageId,
      env: runtime.env,
      labels,
      network,
      ociRuntime: runtime.ociRuntime ?? ociRuntime,
      maxBytes,
      input,
    }
    const container = await HelperContainer.start(engine, spec, until)
    try {
      const log = new FetchLog()
      const command = ['/bin/sh', `${INPUT_DIR}/fetch.sh`, manager, ...packages]
      const exitCode = await container.run(command, until, (data) => {
        const line = log.push(data)
        onProgress?.(line)
      })
      if (exitCode !== 0) throw fetchFault(manager, packages, log.toString(), exitCode)
      const stream = await container.open(['tar', '-cf', '-', '-C', '/tmp/out', '.'], until)
      const archive = checkedArchive(stream, log.toString(), { maxBytes, maxEntries: MAX_ENTRIES })
      return {
        archive,
        registry: sources.npmRegistry === undefined ? NPM_REGISTRY : publicUrl(sources.npmRegistry),
        close: async () => {
          archive.destroy()
          await container.remove()
        },
      }
    } catch (error) {
      await container.remove()
      if (!deadline.aborted || signal.aborted) throw error
      throw new SandboxError('index_unreachable', `The download took more than ${DEADLINE_MS / 60_000} minutes.`, {
        cause: error,
      })
    }
  }
}

function networkDisabled(runtimes: readonly string[]): SandboxError {
  return new SandboxError('network_disabled', 'This server downloads no packages, and the sandbox has no network.', {
    hint:
      'Ways out: use what the runtime has already (sandbox_info, resource sandbox://runtime); switch to a runtime that has it ' +
      `(sandbox_manage action=runtime: ${runtimes.join(', ')}); upload the package's files and install them offline ` +
      '(pip install --no-index FILE); or ask the operator to set installNetwork.',
  })
}
