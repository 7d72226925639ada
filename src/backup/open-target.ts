import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { SandboxError } from '../errors/sandbox-error.ts'
import { directoryTarget } from './target/directory.ts'
import type { BackupTarget } from './target/target.ts'

/** Where backups are kept, as the operator says it. */
export interface TargetSettings {
  /** "" for the default. */
  readonly backupDir: string
  /** URL of a bucket, or "". */
  readonly backupS3: string
  readonly backupS3Region: string
  readonly backupS3Prefix: string
  readonly backupS3KeyId: string
  readonly backupS3Secret: string
}

/** The directory for a program's data of its user (XDG Base Directory Specification): an XDG_DATA_HOME that is relative counts for nothing. */
export function defaultBackupDir(xdgDataHome: string | undefined): string {
  const data = xdgDataHome !== undefined && isAbsolute(xdgDataHome) ? xdgDataHome : join(homedir(), '.local', 'share')
  return join(data, 'sandbox-mcp', 'backups')
}

/** Opens the target once for all; after a failure the next call tries again. */
export function targetOpener(settings: TargetSettings, xdgDataHome: string | undefined): () => Promise<BackupTarget> {
  let opened: Promise<BackupTarget> | undefined
  return () => {
    opened ??= open(settings, settings.backupDir || defaultBackupDir(xdgDataHome)).catch((error: unknown) => {
      opened = undefined
      throw error
    })
    return opened
  }
}

async function open(settings: TargetSettings, directory: string): Promise<BackupTarget> {
  const { backupS3, backupS3Region, backupS3Prefix, backupS3KeyId, backupS3Secret } = settings
  if (backupS3 === '') return await directoryTarget(directory)
  if (backupS3KeyId === '' || backupS3Secret === '') {
    throw new SandboxError('config_invalid', 'The bucket of backups needs a key: backupS3KeyId and backupS3Secret.')
  }
  const { s3Target } = await import('./target/s3.ts')
  return await s3Target({
    endpoint: backupS3,
    region: backupS3Region,
    prefix: backupS3Prefix,
    accessKeyId: backupS3KeyId,
    secretAccessKey: backupS3Secret,
    spoolDir: join(directory, '.partial'),
  })
}
