import type { Engine, EngineInfo, VolumeDetails } from '../engine/engine.ts'
import type { Logger } from '../lib/logger.ts'
import type { Telemetry } from '../lib/telemetry.ts'
import type { FetchCall, FetchedPackages, FetchRequest, FetchScene } from '../runtimes/fetch/package-fetcher.ts'
import type { ReadyRuntime } from '../runtimes/image-builder.ts'
import type { SupervisorBinary } from '../runtimes/supervisor-binary.ts'
import type { Archiver } from './archiver.ts'
import type { MemoryReading } from './memory-watch.ts'
import type { HostFacts } from './modes/bind-scene.ts'
import type { UserProfiles } from './modes/user-profile.ts'
import type { PlacementOptions } from './placement.ts'
import type { PrewarmRule } from './prewarm.ts'
import type { DiskFloor, DiskState } from './quota/disk-floor.ts'
import type { SandboxPolicy } from './sandbox-spec.ts'
import type { SnapshotKeeper } from './snapshot-keeper.ts'

/** What a registry is given: the engine, the operator's settings, and those who make images, packages and copies. */
export interface RegistryDeps {
  readonly engine: Engine
  readonly policy: SandboxPolicy
  readonly installation: string
  readonly info: () => Promise<EngineInfo>
  /** Makes the image of a runtime ready, building it if need be; remembers the answer. */
  readonly runtime: (name: string, options: PlacementOptions) => Promise<ReadyRuntime>
  /** Names of the runtimes that a user may choose. */
  readonly runtimes: readonly string[]
  /** What the operator says about each user. */
  readonly profiles: UserProfiles
  /** Downloads packages for a user's sandbox. */
  readonly packages: {
    fetch(request: FetchRequest, scene: FetchScene, call: FetchCall): Promise<FetchedPackages>
  }
  readonly forgetRuntime: (name: string) => void
  /** The modes of the runtimes whose definitions name one. */
  readonly runtimeModes?: ReadonlyMap<string, 'persistent' | 'ephemeral'>
  /** For workspaces that are directories of this machine; without it there are none. */
  readonly host?: HostFacts
  /** The supervisor for the engine's platform, to be put into containers of the operator's. */
  readonly supervisor?: (platform: string) => Promise<SupervisorBinary>
  /** Idle time after which a sandbox is frozen, in milliseconds; 0: never. */
  readonly freezeAfterMs: number
  /** How long a sandbox sleeps before its files are archived, in milliseconds; 0: never. Needs an archiver. */
  readonly archiveAfterMs: number
  /** Users of the installation who may have a sandbox at all; 0: any number. */
  readonly maxSandboxes: number
  /** Sandboxes that may run for this server at once, frozen ones included. */
  readonly maxRunning: number
  /** How long a call waits for one of them to end its work, in milliseconds. */
  readonly queueTimeoutMs: number
  /** How the memory of the engine's machine stands, and how much of it has to stay available; see {@link MemoryWatch}. */
  readonly memory?: { readonly read: () => Promise<MemoryReading | undefined>; readonly floorBytes: number }
  /** Containers that may be started at the same time: starting is bound by CPU. */
  readonly maxStarts: number
  /** How many sandboxes are kept ready for new users, by runtime; none if left out. See {@link Registry.fillPool}. */
  readonly poolSizes?: ReadonlyMap<string, number>
  /** Whose sandboxes {@link Registry.prewarm} makes ready; nobody's if left out. */
  readonly prewarm?: PrewarmRule
  /** Brings back the files of users who were archived. */
  readonly archiver?: Archiver | undefined
  /** Looks for what copies of workspaces by dead servers left behind. */
  readonly lookForCopies?: (() => Promise<unknown>) | undefined
  /** Keeps copies of files that users ask for. */
  readonly snapshots?: SnapshotKeeper | undefined
  readonly disk: {
    readonly floor: DiskFloor
    /** The engine's disk as this machine sees it; undefined where it is another machine's. */
    readonly local: () => Promise<DiskState | undefined>
  }
  /** True when there is not one file in a volume that no running container has; false where nobody can tell. */
  readonly isEmptyVolume: (volume: VolumeDetails) => Promise<boolean>
  readonly logger: Logger
  readonly telemetry?: Telemetry
}
