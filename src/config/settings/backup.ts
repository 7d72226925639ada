import * as z from 'zod'
import { bytes, duration, httpUrl, integer, orEmpty, path } from '../fields.ts'
import type { Settings } from './setting.ts'

/** Where copies of workspaces are kept, and for how long. */
export const BACKUP = {
  backupDir: {
    schema: orEmpty(path),
    fallback: '',
    about:
      'Directory of this machine where backups and snapshots are kept. Empty: sandbox-mcp/backups in the data directory of who runs the ' +
      'server (XDG_DATA_HOME, else ~/.local/share).',
  },
  backupS3: {
    schema: orEmpty(httpUrl),
    fallback: '',
    about:
      'Bucket of an S3-compatible service that backups are kept in, in place of the directory: https://s3.example.com/bucket. Needs the ' +
      'optional package s3mini.',
  },
  backupS3Region: { schema: z.string().min(1), fallback: 'auto', about: 'Region of the bucket.' },
  backupS3Prefix: {
    schema: z.string().regex(/^(?:[A-Za-z0-9._-]+\/)*$/, 'give a prefix that ends with "/", such as "backups/"'),
    fallback: '',
    about: 'What the names of all objects in the bucket begin with.',
  },
  backupS3KeyId: { schema: z.string(), fallback: '', about: 'Id of the key for the bucket.' },
  backupS3Secret: { schema: z.string(), fallback: '', secret: true, about: 'The key for the bucket.' },
  backupSize: {
    schema: bytes(1024 ** 2),
    fallback: '16GiB',
    about: 'Largest workspace that is backed up, restored or imported: all files, holes included.',
  },
  backupHold: {
    schema: duration(1000),
    fallback: '60s',
    about:
      'Longest time for which a running sandbox is held still while its files are copied. A larger workspace is copied when it sleeps.',
  },
  backupKeep: { schema: integer(1, 10_000), fallback: 7, about: 'Backups of one user that are kept. Older ones go.' },
  backupMaxAge: {
    schema: duration(0),
    fallback: 0,
    about: 'Age after which backups go, whatever their number; the newest stays. 0 = never.',
  },
  snapshotKeep: {
    schema: integer(0, 1000),
    fallback: 3,
    about: 'Snapshots that a user may have (sandbox_manage). The oldest gives way; 0 = no snapshots.',
  },
  snapshotSize: {
    schema: bytes(0),
    fallback: '2GiB',
    about: 'Size of all snapshots of a user together, compressed. The oldest give way.',
  },
} as const satisfies Settings
