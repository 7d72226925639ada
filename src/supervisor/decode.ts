import { type ByteReader, MalformedBytes } from '../lib/byte-codec.ts'
import {
  BOOT_ID_BYTES,
  COMMAND_STATUS,
  type Captured,
  type CommandInfo,
  type CommandOutput,
  type CommandResult,
  type CommandSummary,
  type DirectoryEntry,
  type DiskUsage,
  type EntryPage,
  FILE_TYPES,
  type FileInfo,
  type FileLines,
  type Hello,
  type OutputPage,
  PROTOCOL_MAGIC,
  type SupervisorInfo,
  WIRE_ERRORS,
  type WireErrorName,
} from './protocol.ts'

const ID_PATTERN = /^[a-z0-9-]{1,15}$/
/** Largest time that a Date holds, in milliseconds (ECMA-262, 21.4.1.1). */
const MAX_DATE_MS = 8_640_000_000_000_000n
/** Fixed bytes of the repeated parts: what one of them takes at least. */
const MIN_LINE_BYTES = 8
const MIN_ENTRY_BYTES = 41
const MIN_COMMAND_BYTES = 67

/**
 * Decoders for the payload of each reply. A sandbox is hostile: every number, name and length is checked, and what does not fit
 * throws MalformedBytes, which ends the connection.
 */
export const decode = {
  hello: whole((r): Hello => {
    if (r.u32() !== PROTOCOL_MAGIC) throw new MalformedBytes('not a supervisor')
    return {
      version: r.u16(),
      bootId: bootId(r),
      build: r.text(),
      spoolDir: r.text(),
      uid: r.u32(),
    }
  }),
  ok: whole((r): number => r.count64()),
  error: whole((r): { name: WireErrorName; errno: number } => {
    const name = nameOf(WIRE_ERRORS, r.u16())
    return { name, errno: r.i32() }
  }),
  info: whole((r): SupervisorInfo => ({
    uptimeMs: r.count64(),
    idleMs: r.count64(),
    running: r.u32(),
    retained: r.u32(),
    connections: r.u32(),
    memoryBytes: r.count64(),
    memoryLimitBytes: r.count64(),
    oomKills: r.count64(),
  })),
  quiesced: whole((r) => ({ ok: r.u8() === 1, idleMs: r.count64(), running: r.u32() })),
  usage: whole((r): DiskUsage => {
    const flags = r.u8()
    return {
      bytes: r.count64(),
      entries: r.count64(),
      stopped: flags & 1 ? 'entries' : flags & 2 ? 'time' : undefined,
      unseen: flags & 8 ? 'unreadable' : flags & 4 ? 'too_deep' : undefined,
      fsBytes: r.count64(),
      fsFreeBytes: r.count64(),
      fsInodes: r.count64(),
      fsFreeInodes: r.count64(),
    }
  }),
  result: whole((r): CommandResult => ({
    summary: summary(r),
    stdout: captured(r),
    stderr: captured(r),
  })),
  output: whole((r): CommandOutput => ({ summary: summary(r), stdout: page(r), stderr: page(r) })),
  commands: whole((r): CommandInfo[] =>
    r.list(MIN_COMMAND_BYTES, (each) => ({ ...summary(each), command: each.text() })),
  ),
  stat: whole((r): FileInfo & { target: Buffer } => ({ ...fileInfo(r), target: r.bytes() })),
  readEnd: whole((r): { file: FileInfo; data: Buffer } => ({ file: fileInfo(r), data: r.bytes() })),
  lines: whole((r): FileLines => {
    const file = fileInfo(r)
    const flags = r.u8()
    return {
      file,
      binary: (flags & 1) !== 0,
      stoppedAtMaxBytes: (flags & 2) !== 0,
      endsWithoutNewline: (flags & 4) !== 0,
      firstLine: r.count64(),
      totalLines: r.count64(),
      lines: r.list(MIN_LINE_BYTES, (each) => ({ fullLength: each.u32(), kept: each.bytes() })),
    }
  }),
  written: whole((r): FileInfo & { created: boolean } => ({
    ...fileInfo(r),
    created: r.u8() === 1,
  })),
  entries: whole((r): EntryPage => {
    const total = r.count64()
    const flags = r.u8()
    return {
      total,
      capped: (flags & 1) !== 0,
      more: (flags & 2) !== 0,
      entries: r.list(MIN_ENTRY_BYTES, entry),
    }
  }),
}

function whole<T>(read: (reader: ByteReader) => T): (reader: ByteReader) => T {
  return (reader) => {
    const value = read(reader)
    reader.end()
    return value
  }
}

function nameOf<T extends string>(table: Readonly<Record<number, T>>, number: number): T {
  const name: T | undefined = table[number]
  if (name === undefined) throw new MalformedBytes(`unknown value ${number}`)
  return name
}

function summary(r: ByteReader): CommandSummary {
  const id = r.text()
  if (!ID_PATTERN.test(id)) throw new MalformedBytes('bad command id')
  const status = nameOf(COMMAND_STATUS, r.u8())
  const exitCode = r.i32()
  const signal = r.i32()
  const flags = r.u8()
  return {
    id,
    status,
    exitCode: exitCode >= 0 ? exitCode : undefined,
    signal: signal > 0 ? signal : undefined,
    stdinOpen: (flags & 1) !== 0,
    leftRunning: (flags & 2) !== 0,
    stdoutSpooled: (flags & 4) !== 0,
    stderrSpooled: (flags & 8) !== 0,
    startedAtMs: time(r),
    durationUs: r.count64(),
    cpuUs: r.count64(),
    maxRssBytes: r.count64(),
    totalStdout: r.count64(),
    totalStderr: r.count64(),
  }
}

function bootId(r: ByteReader): Buffer {
  const id = r.bytes()
  if (id.length !== BOOT_ID_BYTES) throw new MalformedBytes('bad boot id')
  return id
}

function time(r: ByteReader): number {
  const ms = r.i64()
  if (ms < -MAX_DATE_MS || ms > MAX_DATE_MS) throw new MalformedBytes('time out of range')
  return Number(ms)
}

function captured(r: ByteReader): Captured {
  return { head: r.bytes(), tail: r.bytes() }
}

function page(r: ByteReader): OutputPage {
  return { first: r.count64(), next: r.count64(), data: r.bytes() }
}

function fileInfo(r: ByteReader): FileInfo {
  const type = nameOf(FILE_TYPES, r.u8())
  return {
    type,
    mode: r.u32() & 0o7777,
    sizeBytes: r.count64(),
    mtimeMs: Number(r.i64() / 1_000_000n),
    version: r.u64(),
  }
}

function entry(r: ByteReader): DirectoryEntry {
  return { ...fileInfo(r), folded: r.u32(), path: r.bytes(), target: r.bytes() }
}
