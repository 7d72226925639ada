import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ByteReader, MalformedBytes } from '../../../src/lib/byte-codec.ts'
import { FrameParser } from '../../../src/lib/frame-parser.ts'
import { decode } from '../../../src/supervisor/decode.ts'
import { encode } from '../../../src/supervisor/encode.ts'
import { FRAME_MAX_LENGTH, FrameType } from '../../../src/supervisor/protocol.ts'
import { WriteDataFrame } from '../../../src/supervisor/write-data-frame.ts'

const GOLDEN = new Map(
  readFileSync(resolve(import.meta.dirname, '../../fixtures/protocol/frames.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(' ') as [string, string]),
)

function golden(name: string): Buffer {
  const hex = GOLDEN.get(name)
  if (hex === undefined) throw new Error(`no golden frame ${name}`)
  return Buffer.from(hex, 'hex')
}

/** Bytes 00 01 … 0f. */
const COUNTING = Buffer.from(Array.from({ length: 16 }, (_, index) => index))
const REF = 'k7q-42'

function writeData(channel: number, data: Uint8Array): Buffer {
  const frame = new WriteDataFrame(channel)
  frame.fill(data)
  return frame.take()
}

/** Each host frame from the values of its comment line in frames.txt. */
const HOST: Record<string, Buffer> = {
  hello_host: encode.hello(),
  ping: encode.ping(1),
  info: encode.info(2),
  quiesce: encode.quiesce(3, 1_800_000, 10_000),
  kill_all: encode.killAll(4),
  claim: encode.claim(25),
  usage: encode.usage(24, '/workspace', 100_000, 5000),
  start_shell: encode.start(5, {
    key: COUNTING,
    command: 'echo héllo',
    keepStdinOpen: false,
    private: false,
    timeoutMs: 300_000,
    graceMs: 1000,
    waitMs: 45_000,
    head: 3276,
    tail: 13_108,
    cwd: '/workspace',
    env: ['A=1', 'PATH=/usr/bin:/bin'],
    stdin: Buffer.alloc(0),
  }),
  start_argv: encode.start(6, {
    key: COUNTING,
    command: ['cat', '-n'],
    keepStdinOpen: true,
    private: false,
    timeoutMs: 0,
    graceMs: 0,
    waitMs: 0,
    head: 1,
    tail: 2,
    cwd: '/tmp',
    env: [],
    stdin: Buffer.from([0x00, 0xff]),
  }),
  start_private: encode.start(23, {
    key: COUNTING,
    command: ['df'],
    keepStdinOpen: false,
    private: true,
    timeoutMs: 30_000,
    graceMs: 1000,
    waitMs: 35_000,
    head: 100,
    tail: 400,
    cwd: '/',
    env: [],
    stdin: Buffer.alloc(0),
  }),
  wait: encode.wait(7, REF, 50_000, 10, 20),
  output: encode.output(8, COUNTING, {
    stdout: true,
    stderr: true,
    fromEnd: false,
    sinceStdout: 5,
    sinceStderr: 6,
    maxBytes: 65_536,
    waitMs: 1000,
  }),
  output_end: encode.output(9, 'a-1', {
    stdout: true,
    stderr: false,
    fromEnd: true,
    sinceStdout: 100,
    sinceStderr: 0,
    maxBytes: 100,
    waitMs: 0,
  }),
  signal: encode.signal(10, REF, 15, true),
  stdin: encode.stdin(11, REF, Buffer.from('hi\n'), true),
  cancel: encode.cancel(12, REF, 1000),
  commands: encode.commands(13),
  stat: encode.stat(14, '/workspace/a b', true),
  read: encode.read(15, '/workspace/big', 5_000_000_000, 0, 262_144),
  window: encode.window(15, 65_536),
  read_lines: encode.readLines(16, '/workspace/log', {
    first: -20,
    maxLines: 1000,
    maxBytes: 65_536,
    maxLineBytes: 8000,
  }),
  write: encode.write(17, {
    path: '/workspace/x.sh',
    mode: 'create',
    executable: true,
    createParents: true,
    ifVersion: 0n,
    last: true,
    data: Buffer.from('#!/bin/sh\n'),
  }),
  write_open: encode.write(18, {
    path: '/workspace/y',
    mode: 'overwrite',
    executable: false,
    createParents: false,
    ifVersion: 0x1122334455667788n,
    last: false,
    data: Buffer.alloc(0),
  }),
  write_data: writeData(18, Buffer.from([0, 1, 2])),
  write_end: encode.writeEnd(18),
  abort: encode.abort(18),
  mkdir: encode.mkdir(19, '/workspace/d/e', 0o755, true),
  remove: encode.remove(20, '/workspace/d', true),
  rename: encode.rename(21, '/workspace/a', '/workspace/b', true),
  list: encode.list(22, {
    path: '/workspace',
    depth: 3,
    hidden: true,
    sort: 'mtime',
    limit: 200,
    skip: 400,
    globs: ['*.py', 'src/**'],
    folds: ['.git', 'node_modules'],
  }),
}

const SUMMARY = {
  id: REF,
  status: 'exited',
  exitCode: 1,
  signal: undefined,
  stdinOpen: false,
  leftRunning: false,
  stdoutSpooled: true,
  stderrSpooled: false,
  startedAtMs: 1_770_000_000_123,
  durationUs: 1_234_567,
  cpuUs: 45_678,
  maxRssBytes: 9_437_184,
  totalStdout: 100_000,
  totalStderr: 3,
}
const FILE = {
  type: 'file',
  mode: 0o644,
  sizeBytes: 1024,
  mtimeMs: 1_770_000_000_123,
  version: 0x1122334455667788n,
}
const text = (value: string) => Buffer.from(value)

/** Each supervisor frame: its channel, its decoder and the values of its comment line. */
const SUPERVISOR: Record<string, readonly [number, (payload: Buffer) => unknown, unknown]> = {
  hello_supervisor: [
    0,
    (payload) => decode.hello(new ByteReader(payload)),
    { version: 1, bootId: COUNTING, build: '0.1.0', spoolDir: '/tmp/.sandbox', uid: 1_100_001 },
  ],
  ok: [1, (payload) => decode.ok(new ByteReader(payload)), 7],
  error: [2, (payload) => decode.error(new ByteReader(payload)), { name: 'no_space', errno: 28 }],
  info_reply: [
    2,
    (payload) => decode.info(new ByteReader(payload)),
    {
      uptimeMs: 60_000,
      idleMs: 1500,
      running: 2,
      retained: 3,
      connections: 1,
      memoryBytes: 1_048_576,
      memoryLimitBytes: 536_870_912,
      oomKills: 4,
    },
  ],
  quiesced: [3, (payload) => decode.quiesced(new ByteReader(payload)), { ok: true, idleMs: 1_900_000, running: 0 }],
  usage_reply: [
    24,
    (payload) => decode.usage(new ByteReader(payload)),
    {
      bytes: 1_610_612_736,
      entries: 4321,
      stopped: 'entries',
      unseen: 'unreadable',
      fsBytes: 53_687_091_200,
      fsFreeBytes: 10_737_418_240,
      fsInodes: 3_276_800,
      fsFreeInodes: 3_000_000,
    },
  ],
  result: [
    5,
    (payload) => decode.result(new ByteReader(payload)),
    {
      summary: SUMMARY,
      stdout: { head: text('ab'), tail: text('yz') },
      stderr: { head: text('err'), tail: text('') },
    },
  ],
  output_reply: [
    8,
    (payload) => decode.output(new ByteReader(payload)),
    {
      summary: SUMMARY,
      stdout: { first: 5, next: 8, data: text('cde') },
      stderr: { first: 6, next: 6, data: text('') },
    },
  ],
  commands_reply: [13, (payload) => decode.commands(new ByteReader(payload)), [{ ...SUMMARY, command: 'sleep 1000' }]],
  stat_reply: [14, (payload) => decode.stat(new ByteReader(payload)), { ...FILE, target: text('') }],
  data: [15, (payload) => payload, Buffer.from([0x61, 0x62, 0x63])],
  read_end: [15, (payload) => decode.readEnd(new ByteReader(payload)), { file: FILE, data: text('z') }],
  lines: [
    16,
    (payload) => decode.lines(new ByteReader(payload)),
    {
      file: FILE,
      binary: false,
      stoppedAtMaxBytes: true,
      endsWithoutNewline: true,
      firstLine: 3,
      totalLines: 4,
      lines: [
        { fullLength: 5, kept: text('hello') },
        { fullLength: 9000, kept: text('long') },
      ],
    },
  ],
  written: [17, (payload) => decode.written(new ByteReader(payload)), { ...FILE, created: true }],
  entries: [
    22,
    (payload) => decode.entries(new ByteReader(payload)),
    {
      total: 300,
      capped: false,
      more: true,
      entries: [
        { ...FILE, folded: 0, path: text('a.py'), target: text('') },
        {
          type: 'symlink',
          mode: 0o777,
          sizeBytes: 4,
          mtimeMs: 0,
          version: 1n,
          folded: 0,
          path: text('ln'),
          target: text('a.py'),
        },
      ],
    },
  ],
}

function parse(bytes: Buffer): { type: number; channel: number; payload: Buffer }[] {
  const frames: { type: number; channel: number; payload: Buffer }[] = []
  new FrameParser(FRAME_MAX_LENGTH, (type, channel, payload) => frames.push({ type, channel, payload })).push(bytes)
  return frames
}

test.each(Object.entries(HOST))('the host encodes %s byte for byte', (name, encoded) => {
  expect(encoded.toString('hex')).toBe(golden(name).toString('hex'))
})

test.each(Object.entries(SUPERVISOR))('the host decodes %s to its values', (name, [channel, read, values]) => {
  const [frame, ...others] = parse(golden(name))
  if (!frame) throw new Error('no frame')
  expect(others).toEqual([])
  expect(frame.channel).toBe(channel)
  expect(read(frame.payload)).toEqual(values)
})

describe('the golden frames', () => {
  test('are all tried here, and no other', () => {
    expect([...Object.keys(HOST), ...Object.keys(SUPERVISOR)].sort()).toEqual([...GOLDEN.keys()].sort())
  })

  test('hold every frame type', () => {
    const types = new Set([...GOLDEN.keys()].map((name) => parse(golden(name))[0]?.type))
    const missing = Object.entries(FrameType).filter(([, type]) => !types.has(type))
    expect(missing).toEqual([])
  })

  test.each(Object.keys(SUPERVISOR).filter((name) => name !== 'data'))(
    '%s is refused when a byte is missing or left over',
    (name) => {
      const payload = parse(golden(name))[0]?.payload ?? Buffer.alloc(0)
      const read = SUPERVISOR[name]?.[1] ?? (() => undefined)
      for (let length = 0; length < payload.length; length++) {
        expect(() => read(payload.subarray(0, length)), `cut after ${length}`).toThrow(MalformedBytes)
      }
      expect(() => read(Buffer.concat([payload, Buffer.alloc(1)]))).toThrow('left over')
    },
  )
})
