import { ByteWriter } from '../../src/lib/byte-codec.ts'
import {
  COMMAND_STATUS,
  type CommandStatus,
  type CommandSummary,
  type DiskUsage,
  FrameType,
  PROTOCOL_MAGIC,
  PROTOCOL_VERSION,
  WIRE_ERRORS,
  type WireErrorName,
} from '../../src/supervisor/protocol.ts'

/** A whole frame of whatever type, as supervisor/PROTOCOL.md lays it out. */
export function frame(type: number, channel: number, put?: (writer: ByteWriter) => ByteWriter): Buffer {
  const writer = new ByteWriter().u32(0).u8(type).u32(channel)
  put?.(writer)
  return writer.patchU32(0, writer.length - 4).finish()
}

function numberOf<T extends string>(table: Readonly<Record<number, T>>, name: T): number {
  const entry = Object.entries(table).find(([, each]) => each === name)
  if (!entry) throw new Error(`no number for ${name}`)
  return Number(entry[0])
}

const NOTHING = Buffer.alloc(0)

/** What a supervisor says, frame by frame, with values that a test need not name. */
export const reply = {
  hello: ({
    magic = PROTOCOL_MAGIC,
    version = PROTOCOL_VERSION,
    bootId = Buffer.alloc(16, 7),
    build = 'test',
  }: { magic?: number; version?: number; bootId?: Buffer; build?: string } = {}) =>
    frame(FrameType.hello, 0, (w) =>
      w.u32(magic).u16(version).bytes(bootId).text(build).text('/tmp/.sandbox').u32(1_100_001),
    ),
  ok: (channel: number, value = 0) => frame(FrameType.ok, channel, (w) => w.u64(value)),
  error: (channel: number, name: WireErrorName, errno = 0) =>
    frame(FrameType.error, channel, (w) => w.u16(numberOf(WIRE_ERRORS, name)).i32(errno)),
  info: (channel: number, connections: number, { uptimeMs = 1, idleMs = 0 } = {}) =>
    frame(FrameType.infoReply, channel, (w) =>
      w.u64(uptimeMs).u64(idleMs).u32(0).u32(0).u32(connections).u64(0).u64(0).u64(0),
    ),
  quiesced: (channel: number, ok: boolean, idleMs = 0, running = 0) =>
    frame(FrameType.quiesced, channel, (w) =>
      w
        .u8(ok ? 1 : 0)
        .u64(idleMs)
        .u32(running),
    ),
  usage: (channel: number, values: Partial<DiskUsage> = {}) =>
    frame(FrameType.usageReply, channel, (w) =>
      w
        .u8((values.stopped ? 1 : 0) | (values.unseen ? 8 : 0))
        .u64(values.bytes ?? 0)
        .u64(values.entries ?? 1)
        .u64(values.fsBytes ?? 1024 ** 4)
        .u64(values.fsFreeBytes ?? 1024 ** 4)
        .u64(values.fsInodes ?? 1e6)
        .u64(values.fsFreeInodes ?? 1e6),
    ),
  result: (channel: number, values: SummaryValues & { stdout?: string | Buffer; stderr?: string | Buffer } = {}) => {
    const stdout = Buffer.from(values.stdout ?? NOTHING)
    const stderr = Buffer.from(values.stderr ?? NOTHING)
    return frame(FrameType.result, channel, (w) =>
      putSummary(w, { totalStdout: stdout.length, totalStderr: stderr.length, ...values })
        .bytes(stdout)
        .bytes(NOTHING)
        .bytes(stderr)
        .bytes(NOTHING),
    )
  },
  output: (channel: number, summary: SummaryValues, stdout: PageValues, stderr: PageValues = {}) =>
    frame(FrameType.outputReply, channel, (w) => putPage(putPage(putSummary(w, summary), stdout), stderr)),
  stat: (channel: number, file: FileValues = {}) =>
    frame(FrameType.statReply, channel, (w) => putFile(w, file).bytes(NOTHING)),
  data: (channel: number, data: Uint8Array) => frame(FrameType.data, channel, (w) => w.raw(data)),
  readEnd: (channel: number, data: Uint8Array = NOTHING, file: FileValues = {}) =>
    frame(FrameType.readEnd, channel, (w) => putFile(w, file).bytes(data)),
  lines: (channel: number, lines: readonly string[]) =>
    frame(FrameType.lines, channel, (w) => {
      putFile(w, {}).u8(0).u64(1).u64(lines.length).u32(lines.length)
      for (const line of lines) w.u32(Buffer.byteLength(line)).text(line)
      return w
    }),
  written: (channel: number, file: FileValues = {}, created = true) =>
    frame(FrameType.written, channel, (w) => putFile(w, file).u8(created ? 1 : 0)),
  entries: (channel: number, names: readonly string[]) =>
    frame(FrameType.entries, channel, (w) => {
      w.u64(names.length).u8(0).u32(names.length)
      for (const name of names) putFile(w, {}).u32(0).text(name).bytes(NOTHING)
      return w
    }),
  commands: (channel: number, commands: readonly (SummaryValues & { command: string })[]) =>
    frame(FrameType.commandsReply, channel, (w) => {
      w.u32(commands.length)
      for (const each of commands) putSummary(w, each).text(each.command)
      return w
    }),
}

export type SummaryValues = { readonly [K in keyof CommandSummary]?: CommandSummary[K] }
export interface PageValues {
  readonly first?: number
  readonly next?: number
  readonly data?: string | Uint8Array
}
export interface FileValues {
  readonly type?: number
  readonly mode?: number
  readonly size?: number
  readonly mtimeNs?: bigint
  readonly version?: bigint
}

function putSummary(w: ByteWriter, s: SummaryValues): ByteWriter {
  const status: CommandStatus = s.status ?? 'exited'
  const flags = [s.stdinOpen, s.leftRunning, s.stdoutSpooled, s.stderrSpooled]
  return w
    .text(s.id ?? 'abc-1')
    .u8(numberOf(COMMAND_STATUS, status))
    .i32(s.exitCode ?? (status === 'exited' ? 0 : -1))
    .i32(s.signal ?? 0)
    .u8(flags.reduce((sum, flag, bit) => sum | (flag ? 1 << bit : 0), 0))
    .i64(s.startedAtMs ?? 1_770_000_000_000)
    .u64(s.durationUs ?? 1000)
    .u64(s.cpuUs ?? 0)
    .u64(s.maxRssBytes ?? 0)
    .u64(s.totalStdout ?? 0)
    .u64(s.totalStderr ?? 0)
}

function putPage(w: ByteWriter, { first = 0, data = NOTHING, next }: PageValues): ByteWriter {
  const bytes = Buffer.from(data)
  return w
    .u64(first)
    .u64(next ?? first + bytes.length)
    .bytes(bytes)
}

function putFile(w: ByteWriter, file: FileValues): ByteWriter {
  return w
    .u8(file.type ?? 1)
    .u32(file.mode ?? 0o644)
    .u64(file.size ?? 0)
    .i64(file.mtimeNs ?? 0n)
    .u64(file.version ?? 1n)
}
