import type { Config } from '../config/settings.ts'
import type { UserSettings } from '../config/users.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { Mode } from '../registry/modes/mode.ts'
import type { UserProfile, UserProfiles } from '../registry/modes/user-profile.ts'

type ProfileConfig = Pick<
  Config,
  'users' | 'user' | 'runtime' | 'runtimes' | 'mode' | 'workspace' | 'attach' | 'httpBind' | 'transport' | 'idleTimeout'
>

/** With the directories of this machine that are workspaces. */
export interface ConfiguredProfiles extends UserProfiles {
  readonly directories: readonly string[]
}

/**
 * What the configuration says about each user. `--workspace` and `--attach` are about the user of `--user` alone. `config_invalid`, naming the user,
 * for a directory of this machine that somebody would get over HTTP without the operator having allowed it.
 */
export function userProfiles(config: ProfileConfig): ConfiguredProfiles {
  const users = new Map(config.users)
  if (config.workspace !== '' || config.attach !== '') users.set(config.user, single(config, users.get(config.user)))
  if (config.transport === 'http' && !config.httpBind) refuseBind(users)
  const timeouts = [config.idleTimeout, ...[...users.values()].flatMap(({ idleTimeout }) => idleTimeout ?? [])]
  const finite = timeouts.filter((ms) => ms > 0)
  return {
    of: (user) => profile(config, user, users.get(user)),
    named: [...users.keys()],
    directories: [...users.values()].flatMap(({ mode, directory }) =>
      mode === 'bind' && directory !== undefined ? [directory] : [],
    ),
    shortestIdleMs: finite.length > 0 ? Math.min(...finite) : 0,
  }
}

/** The user of the flags, which come before the file. */
function single({ workspace, attach }: ProfileConfig, given: UserSettings | undefined): UserSettings {
  const { mode: _mode, directory: _directory, container: _container, ...kept } = given ?? { mode: undefined }
  if (attach === '') return { ...kept, mode: 'bind', directory: workspace }
  return { ...kept, mode: 'attach', container: attach, ...(workspace !== '' && { directory: workspace }) }
}

/** Whoever has a token of such a user would read and write files of this machine from afar. */
function refuseBind(users: ReadonlyMap<string, UserSettings>): void {
  const bound = [...users].filter(([, { mode }]) => mode === 'bind').map(([user]) => user)
  if (bound.length === 0) return
  throw new SandboxError(
    'config_invalid',
    `The workspace of ${bound.join(', ')} is a directory of this machine, and users over HTTP get none.`,
    { hint: 'Use another mode, or allow it with --http-bind.' },
  )
}

function profile(config: ProfileConfig, user: string, given: UserSettings | undefined): UserProfile {
  const { memory, cpus, pids } = given ?? {}
  return {
    runtime: given?.runtime ?? config.runtimes.get(user) ?? config.runtime,
    mode: given && modeOf(given),
    defaultMode: config.mode,
    limits: {
      ...(memory !== undefined && { memoryBytes: memory }),
      ...(cpus !== undefined && { cpus }),
      ...(pids !== undefined && { pids }),
    },
    workspaceBytes: given?.workspaceSize,
    idleTimeoutMs: given?.idleTimeout ?? config.idleTimeout,
  }
}

function modeOf({ mode, directory, container, uid }: UserSettings): Mode | undefined {
  if (mode === 'bind' && directory !== undefined) return { name: mode, directory }
  if (mode === 'attach' && container !== undefined) return { name: mode, container, directory, uid }
  return mode === 'persistent' || mode === 'ephemeral' ? { name: mode } : undefined
}
