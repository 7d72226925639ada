import type { ContainerLimits, Engine } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import { abortable } from '../lib/abort.ts'
import type { RuntimeContents } from '../runtimes/contents.ts'
import type { RuntimeDefinition } from '../runtimes/definition.ts'
import type { ReadyRuntime } from '../runtimes/ready-runtime.ts'
import { identityOf } from './identity.ts'
import { readChoice } from './runtime-choice.ts'
import type { ModeName } from './modes/mode.ts'
import { policyFor, type UserProfile } from './modes/user-profile.ts'
import { limitsOf, packageManagerOf, type SandboxPolicy, WORKSPACE } from './sandbox-spec.ts'

export interface RuntimeInfoDeps {
  readonly engine: Engine
  readonly installation: string
  readonly policy: SandboxPolicy
  readonly runtimes: readonly string[]
  readonly profileOf: (user: string) => UserProfile
  readonly definition: (name: string) => RuntimeDefinition
  /** The runtime's image when the engine has it; builds nothing. */
  readonly find: (name: string) => Promise<ReadyRuntime | undefined>
  /** True when install_packages may download. */
  readonly downloads: boolean
}

/** What a user's sandboxes are made of, told without starting one. */
export interface RuntimeInfo {
  readonly name: string
  readonly description: string
  readonly mode: ModeName
  readonly workspace: string
  /** Whether the engine has the image; unknown when it does not answer. */
  readonly image: 'ready' | 'not built' | 'unknown'
  /** As measured in the image; undefined when there is none, or an old one. */
  readonly contents: RuntimeContents | undefined
  readonly packageManager: string
  /** True when install_packages can download. */
  readonly installs: boolean
  /** Undefined for a container of the operator's, whose limits show when it is used. */
  readonly limits: ContainerLimits | undefined
  readonly maxTimeoutMs: number
  readonly network: 'none' | 'bridge'
  /** Names of the runtimes that sandbox_manage can switch to. */
  readonly runtimes: readonly string[]
}

/** A client waits for this before it is connected. In milliseconds. */
const ENGINE_MS = 2000

/** The runtime of a user's sandbox. Reads the engine's record, starts and builds nothing; an engine that is down costs the contents alone. */
export async function runtimeInfo(deps: RuntimeInfoDeps, user: string): Promise<RuntimeInfo> {
  const { engine, installation, policy, runtimes } = deps
  const profile = deps.profileOf(user)
  if (profile.mode?.name === 'attach') return attachedInfo(policy, profile.mode.directory)
  let name = profile.runtime
  let image: RuntimeInfo['image'] = 'unknown'
  let ready: ReadyRuntime | undefined
  const deadline = AbortSignal.timeout(ENGINE_MS)
  try {
    const choice = await abortable(readChoice(engine, identityOf(installation, user)), deadline)
    if (choice !== undefined && runtimes.includes(choice)) name = choice
    ready = await abortable(deps.find(name), deadline)
    image = ready ? 'ready' : 'not built'
  } catch (error) {
    if (!isSandboxError(error) && !deadline.aborted) throw error
  }
  // A misspelt name of the operator's is told by the first call that needs the runtime.
  const definition: Partial<RuntimeDefinition> = runtimes.includes(name) ? deps.definition(name) : {}
  const network = definition.network ?? policy.network
  return {
    name,
    description: definition.description ?? '',
    mode: profile.mode?.name ?? definition.mode ?? profile.defaultMode,
    workspace: WORKSPACE,
    image,
    contents: ready?.contents,
    packageManager: packageManagerOf(definition),
    installs: deps.downloads || network !== 'none',
    limits: limitsOf(definition, policyFor(policy, profile)),
    maxTimeoutMs: policy.maxTimeoutMs,
    network,
    runtimes,
  }
}

/** What can be said of a container of the operator's before it is looked at. */
function attachedInfo({ maxTimeoutMs }: SandboxPolicy, directory: string | undefined): RuntimeInfo {
  return {
    name: 'attached',
    description: 'a container of the operator’s, with what is in it',
    mode: 'attach',
    workspace: directory ?? 'the working directory of the container',
    image: 'ready',
    contents: undefined,
    packageManager: 'pip',
    installs: false,
    limits: undefined,
    maxTimeoutMs,
    network: 'bridge',
    runtimes: [],
  }
}
