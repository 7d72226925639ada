import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Commands, type CommandSpec, type ProgressBeat } from '../../../src/sandbox/commands.ts'
import { FrameType } from '../../../src/supervisor/protocol.ts'
import { failureOf } from '../../helpers/failure.ts'
import { recordingLogger } from '../../helpers/recording-logger.ts'
import { scriptedLink, TEST_FACTS } from '../../helpers/scripted-link.ts'
import { fieldsOf, type HostFrame } from '../../helpers/scripted-supervisor.ts'
import { reply } from '../../helpers/supervisor-frames.ts'

afterEach(() => vi.useRealTimers())

const SPEC: CommandSpec = { command: 'make', timeoutMs: 300_000, waitMs: 45_000, maxOutputBytes: 1000 }

async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve))
}

async function start(boots?: readonly number[]) {
  const link = await scriptedLink(boots)
  const [supervisor] = link.supervisors
  if (!supervisor) throw new Error('no supervisor')
  const { logger, lines } = recordingLogger()
  return { link, supervisor, lines, commands: new Commands(link, TEST_FACTS, logger) }
}

function startFields(frame: HostFrame) {
  const fields = fieldsOf(frame)
  return {
    key: fields.bytes().toString('hex'),
    flags: fields.u8(),
    timeoutMs: fields.u32(),
    graceMs: fields.u32(),
    waitMs: fields.u32(),
    head: fields.u32(),
    tail: fields.u32(),
    cwd: fields.text(),
    argv: fields.list(4, (each) => each.text()),
    env: fields.list(4, (each) => each.text()),
    stdin: fields.bytes().toString(),
  }
}

describe('the request', () => {
  test('carries words that are bytes exactly, since names of files need not be UTF-8', async () => {
    const { supervisor, commands } = await start()
    const name = Buffer.from([0x2e, 0x2f, 0xff, 0x0a])
    const running = commands.run({ ...SPEC, command: ['grep', '-e', 'é', name] })
    const frame = await supervisor.next(FrameType.start)
    const fields = fieldsOf(frame)
    fields.bytes()
    fields.u8()
    for (let at = 0; at < 5; at++) fields.u32()
    fields.text()
    expect(fields.list(4, (each) => Buffer.from(each.bytes()))).toEqual([
      ...['grep', '-e', 'é'].map((word) => Buffer.from(word)),
      name,
    ])
    void supervisor.send(reply.result(frame.channel))
    await running
  })

  test("of the server's own command is private", async () => {
    const { supervisor, commands } = await start()
    const running = commands.run({ ...SPEC, private: true })
    const frame = await supervisor.next(FrameType.start)
    expect(startFields(frame).flags).toBe(5)
    void supervisor.send(reply.result(frame.channel))
    await running
  })

  test('of a shell line has the defaults of the sandbox', async () => {
    const { supervisor, commands } = await start()
    const running = commands.run(SPEC)
    const frame = await supervisor.next(FrameType.start)
    expect(startFields(frame)).toMatchObject({
      flags: 1,
      timeoutMs: 300_000,
      graceMs: 1000,
      waitMs: 45_000,
      head: 200,
      tail: 800,
      cwd: '/workspace',
      argv: ['make'],
      env: ['PATH=/usr/bin:/bin', 'LANG=C.UTF-8', 'PWD=/workspace'],
      stdin: '',
    })
    void supervisor.send(reply.result(frame.channel, { stdout: 'done\n' }))
    expect(await running).toMatchObject({
      id: 'abc-1',
      status: 'exited',
      exitCode: 0,
      cwd: '/workspace',
      stdout: { head: Buffer.from('done\n'), totalBytes: 5, omittedBytes: 0 },
    })
  })

  test('of a program in the background has its words, its own directory, variables and input', async () => {
    const { supervisor, commands } = await start()
    const running = commands.run({
      ...SPEC,
      command: ['cat', '-n', ''],
      cwd: 'sub/../dir',
      env: { LANG: 'C', A_1: 'x=y é' },
      stdin: 'héllo',
      waitMs: 0,
    })
    const frame = await supervisor.next(FrameType.start)
    expect(startFields(frame)).toMatchObject({
      flags: 2,
      cwd: '/workspace/dir',
      argv: ['cat', '-n', ''],
      env: ['PATH=/usr/bin:/bin', 'LANG=C', 'PWD=/workspace/dir', 'A_1=x=y é'],
      stdin: 'héllo',
    })
    void supervisor.send(reply.result(frame.channel, { status: 'running', stdinOpen: true }))
    expect(await running).toMatchObject({ status: 'running', exitCode: undefined, stdinOpen: true })
  })

  test('has a key of its own each time', async () => {
    const { supervisor, commands } = await start()
    supervisor.answer = ({ type, channel }) => (type === FrameType.start ? reply.result(channel) : undefined)
    await commands.run(SPEC)
    await commands.run(SPEC)
    const [a, b] = [await supervisor.next(FrameType.start), await supervisor.next(FrameType.start)]
    expect(startFields(a).key).toHaveLength(32)
    expect(startFields(a).key).not.toBe(startFields(b).key)
  })
})

describe('the outcome', () => {
  test.each([
    [
      { status: 'exited', exitCode: 3 },
      { status: 'exited', exitCode: 3, signal: undefined },
    ],
    [
      { status: 'signaled', signal: 9 },
      { status: 'signaled', exitCode: undefined, signal: 'SIGKILL' },
    ],
    [{ status: 'signaled', signal: 40 }, { signal: 'SIG40' }],
    [
      { status: 'timed_out', signal: 15 },
      { status: 'timed_out', signal: 'SIGTERM' },
    ],
    [{ status: 'oom_killed', signal: 9 }, { status: 'oom_killed' }],
    [
      { stdoutSpooled: true, stderrSpooled: true, totalStdout: 100_000, totalStderr: 7 },
      {
        stdoutLog: '/tmp/.sandbox/abc-1.log',
        stderrLog: '/tmp/.sandbox/abc-1.err.log',
        stdout: { omittedBytes: 100_000 },
        stderr: { omittedBytes: 7 },
      },
    ],
    [
      { durationUs: 1_234_567, cpuUs: 1500, leftRunning: true },
      { durationMs: 1234.567, cpuMs: 1.5, leftRunning: true },
    ],
  ] as const)('%j is data', async (summary, outcome) => {
    const { supervisor, commands } = await start()
    supervisor.answer = ({ type, channel }) => (type === FrameType.start ? reply.result(channel, summary) : undefined)
    expect(await commands.run(SPEC)).toMatchObject(outcome)
  })

  test('that could not come about is an error that names the program on one line', async () => {
    const { supervisor, commands } = await start()
    supervisor.answer = ({ type, channel }) =>
      type === FrameType.start ? reply.error(channel, 'not_found', 2) : undefined
    await expect(commands.run({ ...SPEC, command: ['no\nsuch'] })).rejects.toMatchObject({
      code: 'not_found',
      message: 'no\\nsuch: no such program.',
    })
  })

  test('is found again by its key after a cut, in the same boot', async () => {
    const { link, supervisor, commands } = await start([1, 1])
    const running = commands.run(SPEC)
    const first = startFields(await supervisor.next(FrameType.start))
    supervisor.program.cut()
    const second = link.supervisors[1]
    const frame = await second?.next(FrameType.start)
    if (!frame) throw new Error('not repeated')
    expect(startFields(frame).key).toBe(first.key)
    void second?.send(reply.result(frame.channel, { exitCode: 5 }))
    expect(await running).toMatchObject({ exitCode: 5 })
  })

  test('is unknown after a cut, in another boot: nothing is run twice', async () => {
    const { link, supervisor, commands } = await start([1, 2])
    const failure = failureOf(commands.run(SPEC))
    await supervisor.next(FrameType.start)
    supervisor.program.cut()
    expect(await failure).toMatchObject({ code: 'sandbox_stopped' })
    expect(link.supervisors[1]?.count(FrameType.start)).toBe(0)
  })
})

describe('an abort', () => {
  test('cancels the command once and waits for its end', async () => {
    const { supervisor, commands } = await start()
    const controller = new AbortController()
    const running = commands.run(SPEC, { signal: controller.signal })
    const started = await supervisor.next(FrameType.start)
    controller.abort()
    const cancel = fieldsOf(await supervisor.next(FrameType.cancel))
    expect(cancel.bytes().toString('hex')).toBe(startFields(started).key)
    expect(cancel.u32()).toBe(1000)
    await settle()
    expect([supervisor.count(FrameType.cancel), supervisor.count(FrameType.abort)]).toEqual([1, 0])
    void supervisor.send(reply.result(started.channel, { status: 'cancelled', signal: 15 }))
    expect(await running).toMatchObject({ status: 'cancelled', signal: 'SIGTERM' })
  })

  test('that comes before starts nothing', async () => {
    const { supervisor, commands } = await start()
    const signal = AbortSignal.abort(new Error('gone'))
    await expect(commands.run(SPEC, { signal })).rejects.toThrow('gone')
    await settle()
    expect(supervisor.count(FrameType.start)).toBe(0)
  })

  test('that comes after the end does nothing', async () => {
    const { supervisor, commands } = await start()
    supervisor.answer = ({ type, channel }) => (type === FrameType.start ? reply.result(channel) : undefined)
    const controller = new AbortController()
    await commands.run(SPEC, { signal: controller.signal })
    controller.abort()
    await settle()
    expect(supervisor.count(FrameType.cancel)).toBe(0)
  })

  test('that finds the command ended, or the way to it lost, changes nothing', async () => {
    const { supervisor, commands } = await start()
    supervisor.answer = ({ type, channel }) =>
      type === FrameType.cancel ? reply.error(channel, 'no_command') : undefined
    const controller = new AbortController()
    const running = commands.run(SPEC, { signal: controller.signal })
    const { channel } = await supervisor.next(FrameType.start)
    controller.abort()
    await supervisor.next(FrameType.cancel)
    await settle()
    void supervisor.send(reply.result(channel))
    expect(await running).toMatchObject({ exitCode: 0 })
  })
})

describe('progress', () => {
  const FAKED = { toFake: ['setInterval', 'clearInterval', 'performance'] as 'setInterval'[] }

  test('comes at once and every three seconds, with the newest line, and not after the end', async () => {
    vi.useFakeTimers(FAKED)
    const { supervisor, commands } = await start()
    const beats: ProgressBeat[] = []
    const running = commands.run(SPEC, { onProgress: (beat) => beats.push(beat) })
    const { channel } = await supervisor.next(FrameType.start)
    expect(beats).toEqual([{ elapsedMs: 0, lastLine: '' }])
    supervisor.answer = (frame) =>
      frame.type === FrameType.output
        ? reply.output(frame.channel, { status: 'running' }, { data: 'one\n\x1b[32mtwo\x1b[0m\n' })
        : undefined
    vi.advanceTimersByTime(3000)
    await supervisor.next(FrameType.output)
    await settle()
    expect(beats[1]).toEqual({ elapsedMs: 3000, lastLine: 'two' })
    supervisor.answer = undefined
    vi.advanceTimersByTime(3000)
    const late = await supervisor.next(FrameType.output)
    await supervisor.send(reply.result(channel))
    await running
    await supervisor.send(reply.output(late.channel, {}, { data: 'late' }))
    await settle()
    expect(beats).toHaveLength(2)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('takes the newest line of stderr while stdout is silent', async () => {
    vi.useFakeTimers(FAKED)
    const { supervisor, commands } = await start()
    const beats: ProgressBeat[] = []
    const running = commands.run(SPEC, { onProgress: (beat) => beats.push(beat) })
    const { channel } = await supervisor.next(FrameType.start)
    supervisor.answer = (frame) =>
      frame.type === FrameType.output ? reply.output(frame.channel, {}, {}, { data: '10%\r20%' }) : undefined
    vi.advanceTimersByTime(3000)
    await supervisor.next(FrameType.output)
    await settle()
    expect(beats.at(-1)?.lastLine).toBe('20%')
    void supervisor.send(reply.result(channel))
    await running
  })

  test('asks again only when the last question is answered', async () => {
    vi.useFakeTimers(FAKED)
    const { supervisor, commands } = await start()
    const running = commands.run(SPEC, { onProgress: () => {} })
    const { channel } = await supervisor.next(FrameType.start)
    for (let beat = 0; beat < 5; beat++) {
      vi.advanceTimersByTime(3000)
      await settle()
    }
    expect(supervisor.count(FrameType.output)).toBe(1)
    void supervisor.send(reply.result(channel))
    await running
  })
})

describe('a fault beside a command', () => {
  const unhandled = vi.fn<(reason: unknown) => void>()
  beforeEach(() => {
    unhandled.mockClear()
    process.on('unhandledRejection', unhandled)
  })
  afterEach(() => process.off('unhandledRejection', unhandled))

  test('of its progress is logged, and neither the command nor the server ends by it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    const { supervisor, commands, lines } = await start()
    let beats = 0
    const running = commands.run(SPEC, {
      onProgress: () => {
        if (++beats > 1) throw new TypeError('nobody can take a beat')
      },
    })
    const { channel } = await supervisor.next(FrameType.start)
    supervisor.answer = (frame) =>
      frame.type === FrameType.output ? reply.output(frame.channel, { status: 'running' }, {}) : undefined
    for (const count of [2, 3]) {
      vi.advanceTimersByTime(3000)
      await settle()
      expect(beats).toBe(count)
    }
    void supervisor.send(reply.result(channel))
    expect(await running).toMatchObject({ status: 'exited' })
    expect(lines).toMatchObject([
      { level: 'error', fields: { err: expect.any(TypeError), doing: 'progress' } },
      { level: 'error', fields: { err: expect.any(TypeError), doing: 'progress' } },
    ])
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('of its cancel is logged; a cancel that comes too late is nothing', async () => {
    const { link, supervisor, commands, lines } = await start()
    const cancelled = new AbortController()
    const running = commands.run(SPEC, { signal: cancelled.signal })
    const { channel } = await supervisor.next(FrameType.start)
    vi.spyOn(link, 'client').mockRejectedValueOnce(new TypeError('a fault of ours'))
    cancelled.abort()
    await settle()
    expect(lines).toMatchObject([{ level: 'error', fields: { doing: 'cancel' } }])
    void supervisor.send(reply.result(channel))
    await running

    supervisor.answer = (frame) =>
      frame.type === FrameType.cancel ? reply.error(frame.channel, 'no_command') : undefined
    const late = new AbortController()
    const second = commands.run(SPEC, { signal: late.signal })
    await supervisor.until(() => supervisor.count(FrameType.start) === 2)
    late.abort()
    await supervisor.next(FrameType.cancel)
    await settle()
    void supervisor.send(
      reply.result(supervisor.received.findLast(({ type }) => type === FrameType.start)?.channel ?? 0),
    )
    await second
    expect(lines).toHaveLength(1)
    expect(unhandled).not.toHaveBeenCalled()
  })
})

describe('what is refused before anything is sent', () => {
  const MIB = 1024 * 1024
  const KIB = 1024
  test.each<[string, Partial<CommandSpec>, string, string]>([
    ['an empty line', { command: ' \n' }, 'invalid_argument', 'empty'],
    ['no words', { command: [] }, 'invalid_argument', 'empty'],
    ['an empty program', { command: ['', 'x'] }, 'invalid_argument', 'empty'],
    ['a NUL in the line', { command: 'a\0b' }, 'invalid_argument', 'NUL'],
    ['a NUL in a word', { command: ['a', 'b\0'] }, 'invalid_argument', 'NUL'],
    ['more than 1 MiB of line', { command: 'x'.repeat(MIB + 1) }, 'too_large', '1 MiB'],
    [
      'more than 1 MiB of words',
      { command: Array.from({ length: 2000 }, () => 'x'.repeat(525)) },
      'too_large',
      '1 MiB',
    ],
    ['a million empty words', { command: ['x', ...Array.from({ length: 1_000_000 }, () => '')] }, 'too_large', '1 MiB'],
    ['more than 512 KiB of stdin', { stdin: 'é'.repeat(256 * KIB + 1) }, 'too_large', '512 KiB'],
    ['a name with a space', { env: { 'A B': '' } }, 'invalid_argument', 'name'],
    ['a name with a =', { env: { 'A=B': '' } }, 'invalid_argument', 'name'],
    ['an empty name', { env: { '': '' } }, 'invalid_argument', 'name'],
    ['a NUL in a variable', { env: { A: '\0' } }, 'invalid_argument', 'NUL'],
    ['a variable of 128 KiB', { env: { A: 'x'.repeat(128 * KIB) } }, 'too_large', '128 KiB'],
    [
      'more than 256 KiB of variables',
      { env: { A: 'x'.repeat(100_000), B: 'x'.repeat(100_000), C: 'x'.repeat(100_000) } },
      'too_large',
      '256 KiB',
    ],
    [
      'a hundred thousand tiny variables',
      { env: Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`A${index.toString(36)}`, ''])) },
      'too_large',
      '256 KiB',
    ],
    ['a cwd with a NUL', { cwd: 'a\0' }, 'invalid_argument', 'NUL'],
  ])('%s', async (_, spec, code, text) => {
    const { supervisor, commands } = await start()
    const error = await failureOf(commands.run({ ...SPEC, ...spec }))
    expect(error).toMatchObject({ code })
    expect((error as Error).message).toContain(text)
    await settle()
    expect(supervisor.count(FrameType.start)).toBe(0)
  })

  test('but the largest of all at once is sent', async () => {
    const { supervisor, commands } = await start()
    supervisor.answer = ({ type, channel }) => (type === FrameType.start ? reply.result(channel) : undefined)
    const outcome = await commands.run({
      ...SPEC,
      command: 'x'.repeat(MIB),
      stdin: 'x'.repeat(512 * KIB),
      env: { A: 'x'.repeat(128 * KIB - 3), B: 'x'.repeat(100_000) },
      cwd: '/',
    })
    expect(outcome.exitCode).toBe(0)
  })
})
