/**
 * Numbers and shapes of the supervisor's protocol, version 1. The description is supervisor/PROTOCOL.md; the golden frames in
 * test/fixtures/protocol bind this file and the C side to it.
 */

export const PROTOCOL_VERSION = 1
export const PROTOCOL_MAGIC = 0x31584253
/** Largest value of a frame's length field, in bytes. */
export const FRAME_MAX_LENGTH = 2 * 1024 * 1024
export const KEY_BYTES = 16
export const BOOT_ID_BYTES = 16
/** Uid that the bridge runs as, and the only one that the supervisor listens to. */
export const BRIDGE_UID = 65532
/** Where the image holds the supervisor. */
export const SUPERVISOR_PATH = '/.sandbox/supervisor'

export const FrameType = {
  hello: 0x01,
  ping: 0x10,
  info: 0x11,
  quiesce: 0x12,
  killAll: 0x13,
  claim: 0x14,
  usage: 0x15,
  start: 0x20,
  wait: 0x21,
  output: 0x22,
  signal: 0x23,
  stdin: 0x24,
  cancel: 0x25,
  commands: 0x26,
  stat: 0x30,
  read: 0x31,
  window: 0x32,
  readLines: 0x33,
  write: 0x34,
  writeData: 0x35,
  writeEnd: 0x36,
  abort: 0x37,
  mkdir: 0x39,
  remove: 0x3a,
  rename: 0x3b,
  list: 0x3c,
  ok: 0x80,
  error: 0x81,
  infoReply: 0x90,
  quiesced: 0x91,
  usageReply: 0x92,
  result: 0xa0,
  outputReply: 0xa1,
  commandsReply: 0xa2,
  statReply: 0xb0,
  data: 0xb1,
  readEnd: 0xb2,
  lines: 0xb3,
  written: 0xb4,
  entries: 0xb5,
} as const
export type FrameType = (typeof FrameType)[keyof typeof FrameType]

/** Error codes of the ERROR frame, by number. */
export const WIRE_ERRORS = {
  1: 'protocol',
  2: 'version',
  3: 'invalid',
  4: 'not_found',
  5: 'exists',
  6: 'is_directory',
  7: 'not_a_directory',
  8: 'not_regular',
  9: 'permission',
  10: 'no_space',
  11: 'too_large',
  12: 'stale_version',
  13: 'no_command',
  14: 'no_shell',
  15: 'resources',
  16: 'quiescing',
  17: 'cancelled',
  18: 'loop',
  19: 'name_too_long',
  20: 'stdin_closed',
  21: 'stdin_full',
  22: 'io',
  23: 'read_only',
  24: 'bad_cwd',
  25: 'too_many',
  26: 'args_too_long',
  27: 'expired',
  28: 'busy',
  29: 'not_empty',
  30: 'exec_failed',
} as const
export type WireErrorName = (typeof WIRE_ERRORS)[keyof typeof WIRE_ERRORS]

export interface Hello {
  readonly version: number
  /** 16 random bytes, other at each start of the supervisor. */
  readonly bootId: Buffer
  readonly build: string
  readonly spoolDir: string
  readonly uid: number
}

/** What the files below a directory take up, and how full their file system is. Sizes in bytes. */
export interface DiskUsage {
  /** Allocated: a sparse file counts for what it has, a file with several names once. */
  readonly bytes: number
  /** Inodes, that of the directory itself included. */
  readonly entries: number
  /** The walk stopped at its bound on entries, or on time: the numbers are a lower bound. */
  readonly stopped: 'entries' | 'time' | undefined
  /** Why parts were not seen: directories of the user's that may not be read, or too deep ones. The numbers are a lower bound. */
  readonly unseen: 'unreadable' | 'too_deep' | undefined
  readonly fsBytes: number
  /** What the user may still take. */
  readonly fsFreeBytes: number
  /** 0: the file system does not count them. */
  readonly fsInodes: number
  readonly fsFreeInodes: number
}

/** Requests that were added to the protocol, as a supervisor's HELLO names them. */
export type AddedRequest = 'claim' | 'usage'

/** How a command stands. The numbers are those of the wire. */
export const COMMAND_STATUS = {
  1: 'running',
  2: 'exited',
  3: 'signaled',
  4: 'timed_out',
  5: 'cancelled',
  6: 'oom_killed',
} as const
export type CommandStatus = (typeof COMMAND_STATUS)[keyof typeof COMMAND_STATUS]

export interface CommandSummary {
  /** `[a-z0-9-]{1,15}`, checked. */
  readonly id: string
  readonly status: CommandStatus
  readonly exitCode: number | undefined
  /** Signal number. */
  readonly signal: number | undefined
  readonly stdinOpen: boolean
  /** Other processes of the command still live. */
  readonly leftRunning: boolean
  readonly stdoutSpooled: boolean
  readonly stderrSpooled: boolean
  readonly startedAtMs: number
  readonly durationUs: number
  readonly cpuUs: number
  readonly maxRssBytes: number
  readonly totalStdout: number
  readonly totalStderr: number
}

/** The first and the last bytes of a stream; `tail` is empty when `head` is all. */
export interface Captured {
  readonly head: Buffer
  readonly tail: Buffer
}

export interface CommandResult {
  readonly summary: CommandSummary
  readonly stdout: Captured
  readonly stderr: Captured
}

export interface OutputPage {
  /** Offset of the first byte of `data`: larger than asked for when bytes in between are gone. */
  readonly first: number
  readonly next: number
  readonly data: Buffer
}

export interface CommandOutput {
  readonly summary: CommandSummary
  readonly stdout: OutputPage
  readonly stderr: OutputPage
}

export interface CommandInfo extends CommandSummary {
  /** Start of the command line, at most 256 bytes. */
  readonly command: string
}

export const FILE_TYPES = { 1: 'file', 2: 'directory', 3: 'symlink', 4: 'other' } as const
export type FileType = (typeof FILE_TYPES)[keyof typeof FILE_TYPES]

export interface FileInfo {
  readonly type: FileType
  /** Permission bits. */
  readonly mode: number
  readonly sizeBytes: number
  readonly mtimeMs: number
  /** Changes whenever the content does; 0n when there is none. */
  readonly version: bigint
}

export interface DirectoryEntry extends FileInfo {
  /** Number of entries below a directory that was not entered. */
  readonly folded: number
  /** Below the listed directory, as bytes: file names need not be UTF-8. */
  readonly path: Buffer
  readonly target: Buffer
}

export interface EntryPage {
  readonly total: number
  /** The walk stopped at its cap, so `total` is a lower bound. */
  readonly capped: boolean
  readonly more: boolean
  readonly entries: readonly DirectoryEntry[]
}

export interface FileLines {
  readonly file: FileInfo
  readonly binary: boolean
  readonly stoppedAtMaxBytes: boolean
  readonly endsWithoutNewline: boolean
  readonly firstLine: number
  readonly totalLines: number
  readonly lines: readonly { readonly fullLength: number; readonly kept: Buffer }[]
}

export interface SupervisorInfo {
  readonly uptimeMs: number
  readonly idleMs: number
  readonly running: number
  readonly retained: number
  readonly connections: number
  readonly memoryBytes: number
  readonly memoryLimitBytes: number
  readonly oomKills: number
}
