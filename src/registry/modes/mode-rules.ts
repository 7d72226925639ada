import { SandboxError } from '../../errors/sandbox-error.ts'
import type { ModeName } from './mode.ts'

/** What the rest of the server may do with a sandbox of a mode. */
export interface ModeRules {
  /** Where the files are. */
  readonly workspace: 'volume' | 'directory of the host' | 'container of the operator'
  /** Whose the container is, and how long it lasts. Only what is ours is started, stopped, frozen or removed. */
  readonly container: 'ours, stays' | 'ours, for one call' | 'the operator’s'
  /** A sandbox that was made before its user was known may become this user's. */
  readonly pooled: boolean
  /** It takes one of the places of `maxRunning`. */
  readonly takesPlace: boolean
  /** Steps of the ladder. */
  readonly freezes: boolean
  readonly evicts: boolean
  readonly archives: boolean
  /** Another setting of the operator's, or a lost protection, is mended: limits in place, the rest by a new container. */
  readonly drift: 'mended' | 'never: made anew for each call' | 'never: not ours'
  /** What a restart does. */
  readonly restart: 'new container' | 'ends calls' | 'ends processes'
  /** What emptying the workspace does. `refused`: they are a person's files, which no tool call may delete. */
  readonly reset: 'empties the volume' | 'refused'
  /** What destroying the sandbox does to the files. */
  readonly destroy: 'removes the volume' | 'keeps the directory' | 'refused'
  /** Snapshots, backups and their restoring. */
  readonly snapshots: boolean
  /** The user may choose the runtime. */
  readonly runtimes: boolean
  /** Limits of the settings, and a size of the workspace. */
  readonly limited: boolean
}

/** The modes, side by side. Whoever does one of these things asks here. */
export const MODE_RULES: Readonly<Record<ModeName, ModeRules>> = {
  persistent: {
    workspace: 'volume',
    container: 'ours, stays',
    pooled: true,
    takesPlace: true,
    freezes: true,
    evicts: true,
    archives: true,
    drift: 'mended',
    restart: 'new container',
    reset: 'empties the volume',
    destroy: 'removes the volume',
    snapshots: true,
    runtimes: true,
    limited: true,
  },
  ephemeral: {
    workspace: 'volume',
    container: 'ours, for one call',
    pooled: false,
    takesPlace: true,
    freezes: false,
    // What is kept ready for the next call goes.
    evicts: true,
    archives: true,
    drift: 'never: made anew for each call',
    restart: 'ends calls',
    reset: 'empties the volume',
    destroy: 'removes the volume',
    snapshots: true,
    runtimes: true,
    limited: true,
  },
  bind: {
    workspace: 'directory of the host',
    container: 'ours, stays',
    pooled: false,
    takesPlace: true,
    freezes: true,
    evicts: true,
    archives: false,
    drift: 'mended',
    restart: 'new container',
    reset: 'refused',
    destroy: 'keeps the directory',
    snapshots: false,
    runtimes: true,
    limited: true,
  },
  attach: {
    workspace: 'container of the operator',
    container: 'the operator’s',
    pooled: false,
    takesPlace: false,
    freezes: false,
    evicts: false,
    archives: false,
    drift: 'never: not ours',
    restart: 'ends processes',
    reset: 'refused',
    destroy: 'refused',
    snapshots: false,
    runtimes: false,
    limited: false,
  },
}

/** The error for what a mode does not allow: `mode_refused`. `what` is a whole sentence's subject: "Emptying the workspace". */
export function modeRefuses(mode: ModeName, what: string): SandboxError {
  const why =
    mode === 'attach'
      ? 'it works in a container that is the operator’s'
      : 'its workspace is a directory of the operator’s machine'
  return new SandboxError('mode_refused', `${what} is not possible in this sandbox: ${why}.`, { details: { mode } })
}
