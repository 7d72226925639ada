import { SandboxError } from '../../errors/sandbox-error.ts'

export type ArchiveKind = 'tar' | 'tar.gz' | 'zip'

/** One thing in an archive, as its reader found it: nothing is checked yet. */
export interface RawEntry {
  readonly path: string
  /** `refused` names what else it is: "a symbolic link", "a device". */
  readonly type: 'file' | 'directory' | { readonly refused: string }
  readonly executable: boolean
  /** What the archive says; the content counts. */
  readonly declaredBytes: number
  /** Must be read to its end before the next entry is asked for. */
  content(): AsyncIterable<Uint8Array>
}

export interface ArchiveEntry {
  /** Relative, without `.`, `..` or empty parts. */
  readonly path: string
  readonly type: 'file' | 'directory'
  readonly executable: boolean
  readonly declaredBytes: number
  content(): AsyncIterable<Uint8Array>
}

/** The fault of an archive that its reader reports. */
export function damaged(kind: ArchiveKind, cause?: unknown): SandboxError {
  return new SandboxError('invalid_argument', `It is not a readable ${kind} archive, or not all of one.`, {
    hint: 'Nothing was changed. Check the format, or upload it without extract and unpack it with shell_exec.',
    cause,
  })
}
