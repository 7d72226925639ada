import { availableParallelism } from 'node:os'
import { archiverOf } from './backup/archiver.ts'
import { Backups } from './backup/backups.ts'
import { targetOpener } from './backup/open-target.ts'
import { snapshotsOf } from './backup/snapshots.ts'
import type { Config } from './config/settings.ts'
import { findEngine, systemSources } from './engine/docker/connect.ts'
import { createDockerEngine } from './engine/docker/docker-engine.ts'
import type { Engine, EngineInfo } from './engine/engine.ts'
import { measuredEngine } from './engine/measured-engine.ts'
import type { Logger } from './lib/logger.ts'
import { noTelemetry, type Telemetry } from './lib/telemetry.ts'
import { Admission } from './registry/admission.ts'
import { readMemory } from './registry/memory-watch.ts'
import { DiskFloor, type DiskState } from './registry/quota/disk-floor.ts'
import { diskOf } from './registry/quota/local-disk.ts'
import { isEmptyVolume } from './registry/quota/measure-sleeping.ts'
import { Registry } from './registry/registry.ts'
import { identityOf, uidOf } from './registry/identity.ts'
import { IDLE_EXIT_FACTOR, policyFor, type UserProfile, type UserProfiles } from './registry/modes/user-profile.ts'
import { runtimeInfo, type RuntimeInfo } from './registry/runtime-info.ts'
import type { SandboxPolicy } from './registry/sandbox-spec.ts'
import { BUILT_IN_DIR, Catalogue } from './runtimes/catalogue.ts'
import { PackageFetcher } from './runtimes/fetch/package-fetcher.ts'
import { ImageJanitor } from './runtimes/image-janitor.ts'
import { RuntimeImages } from './runtimes/image-builder.ts'
import { measureImage, measureSha256 } from './runtimes/measure.ts'
import type { PackageSources } from './runtimes/package-sources.ts'
import { SUPERSEDED_KEPT_MS } from './runtimes/prune-images.ts'
import { readSupervisor } from './runtimes/supervisor-binary.ts'
import { userProfiles } from './user-profiles.ts'

/** The parts of the program, connected. Nothing has been asked of the engine yet. */
export interface App {
  readonly engine: Engine
  /** True when the engine runs on this machine. */
  readonly engineIsLocal: boolean
  readonly catalogue: Catalogue
  readonly images: RuntimeImages
  readonly telemetry: Telemetry
  readonly registry: Registry
  /** Copies of workspaces outside of the engine. */
  readonly backups: Backups
  /** Every call that uses a sandbox goes through it. */
  readonly admission: Admission
  /** What a user's runtime is, without a container. */
  runtimeInfo(user: string): Promise<RuntimeInfo>
  /** What has to work before this server can serve calls: each rejects with what is wrong. */
  readonly readiness: Readonly<Record<'engine' | 'runtime', (signal: AbortSignal) => Promise<void>>>
  /** What an operator should know though calls go on: each rejects with what is wrong. */
  readonly warnings: Readonly<Record<'disk', () => Promise<void>>>
  /** What is left on the engine's disk, and whether users may still write. */
  readonly disk: DiskFloor
  /** Looks at the engine's disk now, from this machine or from a sandbox that runs; its state is then in `disk`. */
  lookAtDisk(): Promise<void>
  /** Builds the image of the default runtime if it is missing; a failure is a warning: the first call tries again. */
  prepareInBackground(): void
  /**
   * Removes what ended servers left that is of no use, at once and again and again, and from now on old images; an engine that is
   * down is a warning, not an error.
   */
  sweepInBackground(): void
  /** Lets go of the sandboxes (they run on, unless idle ones are to be evicted) and of the engine. */
  close(options?: { readonly evictIdle?: boolean }): Promise<void>
}

/** Bytes of each sandbox's tmpfs for spooled output and of its /dev/shm: both count as its memory. */
const SPOOL_BYTES = 64 * 1024 ** 2
const SHM_BYTES = 64 * 1024 ** 2
/** As many entries as a listing of a workspace counts. */
const MAX_BACKUP_ENTRIES = 1_000_000

/** The only wiring: config → engine → runtimes → registry. */
export function createApp(
  config: Config,
  env: NodeJS.ProcessEnv,
  logger: Logger,
  telemetry: Telemetry = noTelemetry,
): App {
  const address = findEngine(systemSources(config.engine || undefined, env))
  const engine = measuredEngine(createDockerEngine({ address, logger }), telemetry)
  const catalogue = Catalogue.load(
    [BUILT_IN_DIR, ...(config.runtimesDir ? [config.runtimesDir] : [])],
    config.customRuntimes,
  )
  const packageSources: PackageSources = {
    pipIndexes: config.pipIndex,
    pipTrustedHosts: config.pipTrustedHost,
    npmRegistry: config.npmRegistry || undefined,
    cargoIndex: config.cargoIndex || undefined,
    aptMirror: config.aptMirror || undefined,
    certificatesFile: config.buildCa || undefined,
  }
  const images = new RuntimeImages({
    engine,
    catalogue,
    logger,
    telemetry,
    imageMirrors: config.imageMirrors,
    buildNetwork: config.buildNetwork,
    measure: {
      sha256: measureSha256(),
      of: (image, aptPackages) => measureImage(engine, image, aptPackages),
    },
    packageSources,
    onBuilt: () => janitor.built(),
  })
  const janitor = new ImageJanitor({ prune: () => images.prune(catalogue.names, SUPERSEDED_KEPT_MS), logger })
  const policy = policyOf(config)
  const profiles = userProfiles(config)
  const disk = new DiskFloor(config.diskFloor)
  const info = remembered(() => engine.info())
  const backups = new Backups({
    engine,
    image: async ({ signal, onProgress }) => {
      const { imageId, ociRuntime } = await images.ensure(config.runtime, {
        signal,
        onProgress: onProgress && (({ text }) => onProgress(text)),
      })
      return { imageId, ociRuntime: ociRuntime ?? (config.ociRuntime || undefined) }
    },
    uidOf: async (identity) => uidOf(identity, await info()),
    workspaceOf: (identity) => policyFor(policy, profileOfHash(config, profiles, identity.userHash)).workspace,
    target: targetOpener(config, env['XDG_DATA_HOME']),
    limits: { maxBytes: config.backupSize, maxEntries: MAX_BACKUP_ENTRIES },
    maxHeldMs: config.backupHold,
    retention: {
      keep: config.backupKeep,
      maxAgeMs: config.backupMaxAge,
      snapshots: config.snapshotKeep,
      snapshotBytes: config.snapshotSize,
    },
    logger,
  })
  const registry = new Registry({
    engine,
    policy,
    installation: config.installation,
    info,
    disk: { floor: disk, local: () => localDisk(address.socketPath !== undefined, info) },
    runtime: (name, { signal, onProgress }) =>
      images.ensure(name, {
        signal,
        onProgress: onProgress && (({ step, steps, text }) => onProgress(`step ${step} of ${steps}: ${text}`)),
      }),
    forgetRuntime: (name) => images.forget(name),
    runtimeModes: new Map(
      catalogue.names.flatMap((name) => {
        const { mode } = catalogue.get(name)
        return mode ? [[name, mode] as const] : []
      }),
    ),
    host: {
      engineIsLocal: address.socketPath !== undefined,
      secrets: [...(address.socketPath === undefined ? [] : [address.socketPath]), config.tokensFile],
      directories: profiles.directories,
    },
    supervisor: (platform) => readSupervisor(platform),
    runtimes: catalogue.names,
    profiles,
    packages: new PackageFetcher({
      engine,
      sources: packageSources,
      network: config.installNetwork,
      maxBytes: config.installSize,
      ociRuntime: config.ociRuntime || undefined,
      runtimes: catalogue.names,
    }),
    freezeAfterMs: config.freezeAfter,
    archiveAfterMs: config.archiveAfter,
    maxSandboxes: config.maxSandboxes,
    maxRunning: config.maxRunning,
    queueTimeoutMs: config.queueTimeout,
    memory: {
      floorBytes: config.memoryFloor,
      // Of another machine's memory nothing is known here.
      read: () => (address.socketPath === undefined ? Promise.resolve(undefined) : readMemory()),
    },
    poolSizes: poolSizesOf(config),
    prewarm: config.prewarm,
    maxStarts: availableParallelism(),
    isEmptyVolume: async (volume) => isEmptyVolume(engine, volume, (await images.ensure(config.runtime)).imageId),
    archiver: archiverOf(backups, { engine, logger }),
    lookForCopies: () => backups.sweep(config.installation),
    snapshots: snapshotsOf(backups, config.snapshotKeep),
    logger,
    telemetry,
  })
  return {
    engine,
    engineIsLocal: address.socketPath !== undefined,
    catalogue,
    images,
    telemetry,
    registry,
    backups,
    admission: new Admission({
      maxCalls: config.maxCalls,
      maxCallsPerUser: config.maxCallsPerUser,
      queueTimeoutMs: config.queueTimeout,
      telemetry,
    }),
    runtimeInfo: (user) =>
      runtimeInfo(
        {
          engine,
          installation: config.installation,
          policy,
          runtimes: catalogue.names,
          profileOf: (of) => profiles.of(of),
          definition: (name) => catalogue.get(name),
          find: (name) => images.find(name),
          downloads: config.installNetwork !== 'none',
        },
        user,
      ),
    readiness: {
      engine: (signal) => engine.ping({ signal }),
      runtime: (signal) => images.requireBuilt(config.runtime, { signal }),
    },
    warnings: {
      disk: async () => {
        await registry.lookAtDisk()
        disk.check()
      },
    },
    disk,
    lookAtDisk: () => registry.lookAtDisk(),
    prepareInBackground: () => {
      images.ensure(config.runtime).catch((error: unknown) => {
        logger.warn({ err: error, runtime: config.runtime }, 'the image of the default runtime is not ready')
      })
    },
    sweepInBackground: () => {
      registry.reconcileInBackground()
      janitor.start()
    },
    close: async ({ evictIdle = false } = {}) => {
      await registry.close(evictIdle)
      await janitor.stop()
      await engine.close()
    },
  }
}

/** Many users come over HTTP, and new ones at any time; over stdio there is one, who is new once. */
const HTTP_POOL_SIZE = 2

function poolSizesOf({ poolSize, transport, runtime }: Config): ReadonlyMap<string, number> {
  if (typeof poolSize === 'object') return poolSize
  return new Map([[runtime, poolSize ?? (transport === 'http' ? HTTP_POOL_SIZE : 0)]])
}

function policyOf(config: Config): SandboxPolicy {
  return {
    limits: {
      memoryBytes: config.memory,
      cpus: config.cpus,
      pids: config.pids,
      tmpBytes: config.tmpSize,
      spoolBytes: SPOOL_BYTES,
      shmBytes: SHM_BYTES,
      fileBytes: config.fileSize,
      openFiles: config.openFiles,
    },
    workspace: {
      limits: { bytes: config.workspaceSize, files: config.workspaceFiles },
      volumeOptions: config.volumeOptions,
    },
    network: config.network,
    ociRuntime: config.ociRuntime || undefined,
    maxTimeoutMs: config.maxTimeout,
    sinceMs: Date.now(),
    idleExitMs: config.idleTimeout * IDLE_EXIT_FACTOR,
  }
}

/** undefined where the engine's files are not to be seen from here: another machine's, a virtual one's, or outside of our own container. */
async function localDisk(isLocal: boolean, info: () => Promise<EngineInfo>): Promise<DiskState | undefined> {
  if (!isLocal) return undefined
  try {
    return await diskOf((await info()).rootDir)
  } catch {
    // Seen from a sandbox instead.
    return undefined
  }
}

/** What the operator says about a user who is known by their hash: for whoever the configuration does not name, as for everybody. */
function profileOfHash({ installation, users, user }: Config, profiles: UserProfiles, userHash: string): UserProfile {
  const named = [...users.keys(), user].find((each) => identityOf(installation, each).userHash === userHash)
  return profiles.of(named ?? '')
}

/** Remembers the first success. */
function remembered(ask: () => Promise<EngineInfo>): () => Promise<EngineInfo> {
  let answer: Promise<EngineInfo> | undefined
  return () => {
    answer ??= ask().catch((error: unknown) => {
      answer = undefined
      throw error
    })
    return answer
  }
}
