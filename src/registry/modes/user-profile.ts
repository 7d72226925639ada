import type { ContainerLimits } from '../../engine/engine.ts'
import type { SandboxPolicy } from '../sandbox-spec.ts'
import { limitsIn } from '../quota/limits.ts'
import { MODE_RULES, type ModeRules } from './mode-rules.ts'
import type { Mode } from './mode.ts'

/** What the operator says about one user. */
export interface UserProfile {
  /** Runtime of a user who chose none. */
  readonly runtime: string
  /** Undefined where the runtime's definition says, or else {@link defaultMode}. */
  readonly mode: Mode | undefined
  readonly defaultMode: 'persistent' | 'ephemeral'
  /** In place of the server's and of the runtime's. */
  readonly limits: Partial<ContainerLimits>
  /** Most bytes of the workspace; undefined: as for everybody. */
  readonly workspaceBytes: number | undefined
  /** Idle time after which the sandbox is put to sleep, in milliseconds; 0: never. */
  readonly idleTimeoutMs: number
}

/** The rules of a user's mode: whether each call has a container of its own may depend on the runtime, what is asked of these rules does not. */
export function rulesOf({ mode, defaultMode }: UserProfile): ModeRules {
  return MODE_RULES[mode?.name ?? defaultMode]
}

/** What the operator says about all users. */
export interface UserProfiles {
  of(user: string): UserProfile
  /** Users about whom the operator says something of their own. */
  readonly named: readonly string[]
  /** The shortest of all idle timeouts, in milliseconds; 0 when nobody has one. */
  readonly shortestIdleMs: number
}

/** Beyond the server's own idle timeout, so that a supervisor ends by itself only when no server does it. */
export const IDLE_EXIT_FACTOR = 2

/** The policy for a user's sandbox. */
export function policyFor(
  policy: SandboxPolicy,
  { limits, mode, workspaceBytes, idleTimeoutMs }: UserProfile,
): SandboxPolicy {
  const { workspace } = policy
  const workspaceLimits = { ...workspace.limits, ...(workspaceBytes !== undefined && { bytes: workspaceBytes }) }
  return {
    ...policy,
    userLimits: limits,
    workspace: { ...workspace, limits: limitsIn(mode?.name, workspaceLimits) },
    idleExitMs: idleTimeoutMs * IDLE_EXIT_FACTOR,
  }
}
