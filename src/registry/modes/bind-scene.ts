import type { EngineInfo } from '../../engine/engine.ts'
import { type BoundDirectory, checkDirectory } from './bound-directory.ts'
import type { UserProfile } from './user-profile.ts'

/** What this server knows that directories of the host are checked against. */
export interface HostFacts {
  readonly engineIsLocal: boolean
  /** Files and directories of this server and of the engine that no sandbox may reach. */
  readonly secrets: readonly string[]
  /** Directories of all users. */
  readonly directories: readonly string[]
}

/** The user's directory as it is now; undefined for a user whose workspace is a volume. */
export async function boundDirectoryOf(
  { mode }: UserProfile,
  host: HostFacts,
  info: () => Promise<EngineInfo>,
): Promise<BoundDirectory | undefined> {
  return mode?.name === 'bind' ? await checkDirectory(mode.directory, { ...host, info: await info() }) : undefined
}
