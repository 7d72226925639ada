import type { ContainerLimits, ContainerSpec, Labels } from '../engine/engine.ts'
import type { ReadyRuntime } from '../runtimes/image-builder.ts'
import type { SandboxFacts } from '../sandbox/facts.ts'
import { initCommand } from '../supervisor/init-command.ts'
import { BRIDGE_UID } from '../supervisor/protocol.ts'
import type { WorkspaceLimits } from './quota/limits.ts'
import { fixedSettings } from './fixed-settings.ts'
import { containerLabels, LABEL, type SandboxIdentity } from './identity.ts'
import type { AttachedFacts } from './modes/attach.ts'
import type { BoundDirectory } from './modes/bound-directory.ts'
import type { ModeName } from './modes/mode.ts'

export const WORKSPACE = '/workspace'
export const SPOOL_DIR = '/tmp/.sandbox'

/** What the operator decides about every sandbox; a runtime's definition may say otherwise for its own. */
export interface SandboxPolicy {
  readonly limits: ContainerLimits
  /** What the operator grants this user in place of these limits and of the runtime's. */
  readonly userLimits?: Partial<ContainerLimits>
  readonly workspace: {
    readonly limits: WorkspaceLimits
    /** Options for the engine's volume driver, before they are filled in: see {@link volumeOptions}. Empty: none. */
    readonly volumeOptions: Labels
  }
  readonly network: 'none' | 'bridge'
  readonly ociRuntime: string | undefined
  readonly maxTimeoutMs: number
  /** Since when the operator's settings are these, in Unix milliseconds: when this server started. */
  readonly sinceMs: number
  /** After this long without use and without any server connected the supervisor ends by itself, in milliseconds. 0: never. */
  readonly idleExitMs: number
}

/** Environment of PID 1: nothing of the server's own. */
const SUPERVISOR_ENV = { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: WORKSPACE }

/** Below it is what the user installs: on the workspace, so that it outlives the container. */
const PREFIX = `${WORKSPACE}/.local`
/** Programs that the user installed come before the image's, except those of apt: its packages may replace parts of the image. */
const PATH_BEFORE = [`${PREFIX}/bin`, `${PREFIX}/npm/node_modules/.bin`]
const PATH_AFTER = [`${PREFIX}/apt/usr/bin`, `${PREFIX}/apt/usr/sbin`]
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Makes programs behave without a person at a terminal: no prompts, no pager, no colours, output at once. */
const COMMAND_ENV = {
  HOME: WORKSPACE,
  USER: 'sandbox',
  LOGNAME: 'sandbox',
  LANG: 'C.UTF-8',
  CI: '1',
  NO_COLOR: '1',
  TERM: 'dumb',
  PAGER: 'cat',
  GIT_PAGER: 'cat',
  GIT_TERMINAL_PROMPT: '0',
  DEBIAN_FRONTEND: 'noninteractive',
  PYTHONUNBUFFERED: '1',
  PYTHONUSERBASE: PREFIX,
  // What pip installs outside a virtual environment goes below the workspace, where no package of the system is (PEP 668).
  PIP_BREAK_SYSTEM_PACKAGES: '1',
  // Where libraries of apt's packages are looked for, first, and by programs of root's too: whatever runs here has the user's own rights, no
  // set-uid program is left to be led astray (the loader would ignore this for one, ld.so(8)), and who writes below the workspace can set
  // the variable, or LD_PRELOAD, anyway. The supervisor and its bridge are static, and have none of these variables. As long as the
  // directory is not there, it costs a program about 10 µs.
  LD_LIBRARY_PATH: `${PREFIX}/apt/libraries`,
}

/** Which container of a sandbox it is to be: the rest of its spec is the same for every one of a runtime. */
export interface ContainerPlace {
  readonly name: string
  readonly labels: Labels
  readonly uid: number
  /** Of its workspace. */
  readonly volumeName: string
  /** Its workspace instead. */
  readonly bind?: BoundDirectory | undefined
}

/** The place of a user's own container, on their workspace volume. */
export function userPlace(
  identity: SandboxIdentity,
  volumeName: string,
  uid: number,
  { name, digest }: ReadyRuntime,
  bind?: BoundDirectory,
): ContainerPlace {
  return { name: identity.containerName, labels: containerLabels(identity, name, digest, uid), uid, volumeName, bind }
}

/** The container of a sandbox. */
export function containerSpec(
  { name, labels, uid, volumeName, bind }: ContainerPlace,
  runtime: ReadyRuntime,
  policy: SandboxPolicy,
): ContainerSpec {
  const ociRuntime = runtime.ociRuntime ?? policy.ociRuntime
  const limits = limitsOf(runtime, policy)
  const network = runtime.network ?? policy.network
  return {
    name,
    image: runtime.imageId,
    labels: {
      ...labels,
      [LABEL.settings]: fixedSettings({ limits, network, ociRuntime }),
      [LABEL.settingsSince]: String(policy.sinceMs),
    },
    uid,
    bridgeUid: BRIDGE_UID,
    env: SUPERVISOR_ENV,
    command: initCommand({ spoolDir: SPOOL_DIR, workspace: WORKSPACE, idleExitMs: policy.idleExitMs }),
    workDir: WORKSPACE,
    ...(bind
      ? { bind: { source: bind.directory, mountPath: WORKSPACE }, gid: bind.gid }
      : { volume: { name: volumeName, mountPath: WORKSPACE } }),
    limits,
    network,
    ...(ociRuntime === undefined ? {} : { ociRuntime }),
  }
}

export function sandboxFacts(
  runtime: ReadyRuntime,
  policy: SandboxPolicy,
  idleTimeoutMs: number,
  mode: ModeName = 'persistent',
): SandboxFacts {
  return {
    mode,
    runtime: runtime.name,
    workspace: WORKSPACE,
    spoolDir: SPOOL_DIR,
    env: { ...COMMAND_ENV, ...runtime.env, PATH: pathOf(runtime) },
    packageManager: packageManagerOf(runtime),
    network: runtime.network ?? policy.network,
    maxTimeoutMs: policy.maxTimeoutMs,
    description: runtime.description,
    imageId: runtime.imageId,
    digest: runtime.digest,
    packages: packagesOf(runtime),
    limits: limitsOf(runtime, policy),
    idleTimeoutMs,
  }
}

/** Of a container of the operator's: what is installed there, and how, is not ours to know. */
export function attachedFacts(runtime: ReadyRuntime, attached: AttachedFacts, maxTimeoutMs: number): SandboxFacts {
  const { workspace, spoolDir, network, limits, path } = attached
  const {
    PYTHONUSERBASE: _base,
    PIP_BREAK_SYSTEM_PACKAGES: _pip,
    LD_LIBRARY_PATH: _libraries,
    ...general
  } = COMMAND_ENV
  return {
    mode: 'attach',
    runtime: runtime.name,
    workspace,
    spoolDir,
    env: { ...general, HOME: workspace, PATH: path ?? DEFAULT_PATH },
    packageManager: 'pip',
    network,
    maxTimeoutMs,
    description: runtime.description,
    imageId: runtime.imageId,
    digest: runtime.digest,
    packages: [],
    limits,
    idleTimeoutMs: 0,
  }
}

/** From the general to the particular: the server's, the runtime's, the user's. */
export function limitsOf(runtime: Pick<ReadyRuntime, 'limits'>, policy: SandboxPolicy): ContainerLimits {
  return { ...policy.limits, ...runtime.limits, ...policy.userLimits }
}

/** With their versions, as measured in the image; of one that was not measured what its definition asks for. */
function packagesOf({ contents, packages }: ReadyRuntime): SandboxFacts['packages'] {
  if (!contents) return packages
  return Object.entries(contents.packages).map(([manager, versions]) => ({
    manager,
    packages: Object.entries(versions).map(([name, version]) => `${name} ${version}`),
  }))
}

/** What packages are installed with when the caller names nothing else. */
export function packageManagerOf({
  packageManager = 'pip',
}: Pick<ReadyRuntime, 'packageManager'>): SandboxFacts['packageManager'] {
  return packageManager
}

function pathOf({ env }: ReadyRuntime): string {
  return [...PATH_BEFORE, env['PATH'] ?? DEFAULT_PATH, ...PATH_AFTER].join(':')
}
