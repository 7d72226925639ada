import { ByteWriter } from '../lib/byte-codec.ts'
import { FRAME_MAX_LENGTH, FrameType, PROTOCOL_MAGIC, PROTOCOL_VERSION } from './protocol.ts'

/** A command by its id (text) or by the 16-byte key of its START. */
export type CommandRef = string | Uint8Array

export interface StartRequest {
  /** 16 bytes, random: makes a repeated START find the first one. */
  readonly key: Uint8Array
  /** One shell line, or the words of a program; bytes where a word need not be UTF-8, as names of files. */
  readonly command: string | readonly (string | Uint8Array)[]
  readonly keepStdinOpen: boolean
  /** The server's own: not in the list of commands, and forgotten soon after its end. */
  readonly private: boolean
  /** 0: none. */
  readonly timeoutMs: number
  readonly graceMs: number
  /** How long the reply may wait for the end. */
  readonly waitMs: number
  /** Bytes of each stream from its start, and from its end. */
  readonly head: number
  readonly tail: number
  readonly cwd: string
  /** "NAME=value": the whole environment. */
  readonly env: readonly string[]
  readonly stdin: Uint8Array
}

export interface OutputRequest {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly fromEnd: boolean
  readonly sinceStdout: number
  readonly sinceStderr: number
  readonly maxBytes: number
  readonly waitMs: number
}

export const WRITE_MODES = { overwrite: 1, create: 2, append: 3 } as const
export type WriteMode = keyof typeof WRITE_MODES

export interface WriteRequest {
  readonly path: string
  readonly mode: WriteMode
  readonly executable: boolean
  readonly createParents: boolean
  /** 0n: any. */
  readonly ifVersion: bigint
  /** True: `data` is all, no WRITE_DATA follows. */
  readonly last: boolean
  readonly data: Uint8Array
}

export const LIST_SORTS = { name: 1, mtime: 2, size: 3 } as const
export type ListSort = keyof typeof LIST_SORTS

export interface ListRequest {
  readonly path: string
  readonly depth: number
  readonly hidden: boolean
  readonly sort: ListSort
  readonly limit: number
  readonly skip: number
  readonly globs: readonly string[]
  readonly folds: readonly string[]
}

/** Each function gives one whole frame, header included, as supervisor/PROTOCOL.md lays it out. */
export const encode = {
  hello: () => frame(FrameType.hello, 0, (w) => w.u32(PROTOCOL_MAGIC).u16(PROTOCOL_VERSION)),
  ping: (channel: number) => frame(FrameType.ping, channel),
  info: (channel: number) => frame(FrameType.info, channel),
  quiesce: (channel: number, minIdleMs: number, holdMs: number) =>
    frame(FrameType.quiesce, channel, (w) => w.u64(minIdleMs).u32(holdMs)),
  killAll: (channel: number) => frame(FrameType.killAll, channel),
  claim: (channel: number) => frame(FrameType.claim, channel),
  usage: (channel: number, path: string, maxEntries: number, maxMs: number) =>
    frame(FrameType.usage, channel, (w) => w.text(path).u32(maxEntries).u32(maxMs)),

  start(channel: number, r: StartRequest): Buffer {
    const shell = typeof r.command === 'string'
    return frame(FrameType.start, channel, (w) =>
      w
        .bytes(r.key)
        .u8((shell ? 1 : 0) | (r.keepStdinOpen ? 2 : 0) | (r.private ? 4 : 0))
        .u32(r.timeoutMs)
        .u32(r.graceMs)
        .u32(r.waitMs)
        .u32(r.head)
        .u32(r.tail)
        .text(r.cwd)
        .texts(typeof r.command === 'string' ? [r.command] : r.command)
        .texts(r.env)
        .bytes(r.stdin),
    )
  },
  wait: (channel: number, ref: CommandRef, waitMs: number, head: number, tail: number) =>
    frame(FrameType.wait, channel, (w) => putRef(w, ref).u32(waitMs).u32(head).u32(tail)),
  output(channel: number, ref: CommandRef, r: OutputRequest): Buffer {
    const flags = (r.stdout ? 1 : 0) | (r.stderr ? 2 : 0) | (r.fromEnd ? 4 : 0)
    return frame(FrameType.output, channel, (w) =>
      putRef(w, ref).u8(flags).u64(r.sinceStdout).u64(r.sinceStderr).u32(r.maxBytes).u32(r.waitMs),
    )
  },
  signal: (channel: number, ref: CommandRef, signal: number, allDescendants: boolean) =>
    frame(FrameType.signal, channel, (w) =>
      putRef(w, ref)
        .i32(signal)
        .u8(allDescendants ? 1 : 0),
    ),
  stdin: (channel: number, ref: CommandRef, data: Uint8Array, close: boolean) =>
    frame(FrameType.stdin, channel, (w) =>
      putRef(w, ref)
        .u8(close ? 1 : 0)
        .bytes(data),
    ),
  cancel: (channel: number, ref: CommandRef, graceMs: number) =>
    frame(FrameType.cancel, channel, (w) => putRef(w, ref).u32(graceMs)),
  commands: (channel: number) => frame(FrameType.commands, channel),

  stat: (channel: number, path: string, follow: boolean) =>
    frame(FrameType.stat, channel, (w) => w.text(path).u8(follow ? 1 : 0)),
  read: (channel: number, path: string, offset: number, length: number, window: number) =>
    frame(FrameType.read, channel, (w) => w.text(path).u64(offset).u64(length).u32(window)),
  window: (channel: number, bytes: number) => frame(FrameType.window, channel, (w) => w.u32(bytes)),
  readLines: (
    channel: number,
    path: string,
    range: { first: number; maxLines: number; maxBytes: number; maxLineBytes: number },
  ) =>
    frame(FrameType.readLines, channel, (w) =>
      w.text(path).i64(range.first).u32(range.maxLines).u32(range.maxBytes).u32(range.maxLineBytes),
    ),
  write(channel: number, r: WriteRequest): Buffer {
    const flags = (r.last ? 1 : 0) | (r.executable ? 2 : 0) | (r.createParents ? 4 : 0)
    return frame(FrameType.write, channel, (w) =>
      w.text(r.path).u8(WRITE_MODES[r.mode]).u8(flags).u64(r.ifVersion).bytes(r.data),
    )
  },
  writeEnd: (channel: number) => frame(FrameType.writeEnd, channel),
  abort: (channel: number) => frame(FrameType.abort, channel),
  mkdir: (channel: number, path: string, mode: number, parents: boolean) =>
    frame(FrameType.mkdir, channel, (w) =>
      w
        .text(path)
        .u32(mode)
        .u8(parents ? 1 : 0),
    ),
  remove: (channel: number, path: string, recursive: boolean) =>
    frame(FrameType.remove, channel, (w) => w.text(path).u8(recursive ? 1 : 0)),
  rename: (channel: number, from: string, to: string, noReplace: boolean) =>
    frame(FrameType.rename, channel, (w) =>
      w
        .text(from)
        .text(to)
        .u8(noReplace ? 1 : 0),
    ),
  list: (channel: number, r: ListRequest) =>
    frame(FrameType.list, channel, (w) =>
      w
        .text(r.path)
        .u32(r.depth)
        .u8(r.hidden ? 1 : 0)
        .u8(LIST_SORTS[r.sort])
        .u32(r.limit)
        .u64(r.skip)
        .texts(r.globs)
        .texts(r.folds),
    ),
}

/** Throws RangeError for what does not fit: the supervisor would end the connection, and with it every other request. */
function frame(type: FrameType, channel: number, put?: (writer: ByteWriter) => ByteWriter): Buffer {
  const writer = new ByteWriter().u32(0).u8(type).u32(channel)
  put?.(writer)
  const length = writer.length - 4
  if (length > FRAME_MAX_LENGTH) throw new RangeError(`frame of ${length} bytes`)
  return writer.patchU32(0, length).finish()
}

function putRef(writer: ByteWriter, ref: CommandRef): ByteWriter {
  return typeof ref === 'string' ? writer.text(ref) : writer.bytes(ref)
}
