import { Backups } from '../backup/backups.ts'
import { targetOpener } from '../backup/open-target.ts'
import type { Config } from '../config/settings.ts'
import type { Logger } from '../lib/logger.ts'
import { identityOf, uidOf } from '../registry/identity.ts'
import { policyFor, type UserProfile, type UserProfiles } from '../registry/modes/user-profile.ts'
import type { SandboxPolicy } from '../registry/sandbox-spec.ts'
import type { RuntimeImages } from '../runtimes/image-builder.ts'
import type { ConnectedEngine } from './engine.ts'

/** What copies of workspaces are made with. */
export interface BackupParts extends Pick<ConnectedEngine, 'engine' | 'info'> {
  readonly images: RuntimeImages
  readonly policy: SandboxPolicy
  readonly profiles: UserProfiles
  readonly logger: Logger
}

/** As many entries as a listing of a workspace counts. */
const MAX_BACKUP_ENTRIES = 1_000_000

/** Copies of workspaces, as the settings want them. Where they are kept is opened at the first use. */
export function connectBackups(
  config: Config,
  env: NodeJS.ProcessEnv,
  { engine, info, images, policy, profiles, logger }: BackupParts,
): Backups {
  return new Backups({
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
}

/** What the operator says about a user who is known by their hash: for whoever the configuration does not name, as for everybody. */
function profileOfHash({ installation, users, user }: Config, profiles: UserProfiles, userHash: string): UserProfile {
  const named = [...users.keys(), user].find((each) => identityOf(installation, each).userHash === userHash)
  return profiles.of(named ?? '')
}
