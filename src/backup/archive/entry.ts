/**
 * Names are bytes. They are kept as "binary strings", one character (U+0000 to U+00FF) for each byte, so that a name that is not UTF-8
 * comes back as it was, and comparing strings compares bytes.
 */
export type ByteString = string

/** One entry of a workspace, checked: safe to write into another archive. */
export interface Entry {
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink'
  /** Relative to the workspace. */
  readonly path: ByteString
  /** Of a symbolic link what it says, of a hard link the path of the file; else "". */
  readonly target: ByteString
  /** Permission bits with set-uid, set-gid and sticky bit. */
  readonly mode: number
  /** Seconds since 1970 with nine decimals. */
  readonly mtime: string
  /** Bytes of the content; 0 for what is no file. */
  readonly size: number
  /** Where a file with holes has data, in order: all else of it is zeros. */
  readonly runs?: readonly Run[]
}

export interface Run {
  readonly offset: number
  readonly bytes: number
}

/** What is in a workspace and cannot be kept: pipes, sockets and devices, and what belongs to another user of the machine. */
export interface Skipped {
  readonly type: 'fifo' | 'socket' | 'device' | 'unreadable'
  readonly path: ByteString
}

/** PATH_MAX without its NUL, and NAME_MAX (limits.h): no program could use a longer one. */
const MAX_PATH_BYTES = 4095
const MAX_NAME_BYTES = 255

/** True for a path below the root: no empty, "." or ".." part, no slash at its ends, no NUL, not too long. */
export function isSafePath(path: ByteString): boolean {
  if (path.length > MAX_PATH_BYTES || path.includes('\0')) return false
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && part.length <= MAX_NAME_BYTES)
}

/** True for what a symbolic link may say: anything, since nobody follows it but programs in the sandbox. */
export function isSafeTarget(target: ByteString): boolean {
  return target !== '' && target.length <= MAX_PATH_BYTES && !target.includes('\0')
}

/** Bytes that an entry's data take in an archive: those of its runs, for a file with holes. */
export function storedBytes({ size, runs }: Pick<Entry, 'size' | 'runs'>): number {
  return runs ? runs.reduce((sum, { bytes }) => sum + bytes, 0) : size
}
