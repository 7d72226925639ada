import { availableParallelism } from 'node:os'
import { connectBackups } from './app/backups.ts'
import { connectEngine } from './app/engine.ts'
import { connectImages } from './app/images.ts'
import { policyOf, poolSizesOf } from './app/policy.ts'
import { userProfiles } from './app/user-profiles.ts'
import { archiverOf } from './backup/archiver.ts'
import type { Backups } from './backup/backups.ts'
import { snapshotsOf } from './backup/snapshots.ts'
import type { Config } from './config/settings.ts'
import type { Engine } from './engine/engine.ts'
import type { Logger } from './lib/logger.ts'
import { noTelemetry, type Telemetry } from './lib/telemetry.ts'
import { Admission } from './registry/admission.ts'
import { readMemory } from './registry/memory-watch.ts'
import { DiskFloor } from './registry/quota/disk-floor.ts'
import { isEmptyVolume } from './registry/quota/measure-sleeping.ts'
import { Registry } from './registry/registry.ts'
import { runtimeInfo, type RuntimeInfo } from './registry/runtime-info.ts'
import type { Catalogue } from './runtimes/catalogue.ts'
import type { RuntimeImages } from './runtimes/image-builder.ts'
import { readSupervisor } from './runtimes/supervisor-binary.ts'

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

/** The only wiring: config → engine → runtimes → registry. */
export function createApp(
  config: Config,
  env: NodeJS.ProcessEnv,
  logger: Logger,
  telemetry: Telemetry = noTelemetry,
): App {
  const { engine, socketPath, info, localDisk } = connectEngine(config, env, logger, telemetry)
  const engineIsLocal = socketPath !== undefined
  const { catalogue, images, janitor, packages } = connectImages(config, engine, logger, telemetry)
  const policy = policyOf(config)
  const profiles = userProfiles(config)
  const disk = new DiskFloor(config.diskFloor)
  const backups = connectBackups(config, env, { engine, info, images, policy, profiles, logger })
  const registry = new Registry({
    engine,
    policy,
    installation: config.installation,
    info,
    disk: { floor: disk, local: localDisk },
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
      engineIsLocal,
      secrets: [...(socketPath === undefined ? [] : [socketPath]), config.tokensFile],
      directories: profiles.directories,
    },
    supervisor: (platform) => readSupervisor(platform),
    runtimes: catalogue.names,
    profiles,
    packages,
    freezeAfterMs: config.freezeAfter,
    archiveAfterMs: config.archiveAfter,
    maxSandboxes: config.maxSandboxes,
    maxRunning: config.maxRunning,
    queueTimeoutMs: config.queueTimeout,
    memory: {
      floorBytes: config.memoryFloor,
      // Of another machine's memory nothing is known here.
      read: () => (engineIsLocal ? readMemory() : Promise.resolve(undefined)),
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
    engineIsLocal,
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
