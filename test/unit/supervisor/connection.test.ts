import { afterEach, describe, expect, test, vi } from 'vitest'
import { Connection } from '../../../src/supervisor/connection.ts'
import { decode } from '../../../src/supervisor/decode.ts'
import { encode } from '../../../src/supervisor/encode.ts'
import { ConnectionHeld, ConnectionLost, WireError } from '../../../src/supervisor/errors.ts'
import { FrameType, PROTOCOL_MAGIC } from '../../../src/supervisor/protocol.ts'
import { failureOf } from '../../helpers/failure.ts'
import { memoryStream } from '../../helpers/memory-stream.ts'
import { fieldsOf, openScripted, ScriptedSupervisor } from '../../helpers/scripted-supervisor.ts'
import { frame, reply } from '../../helpers/supervisor-frames.ts'

afterEach(() => vi.useRealTimers())

function newStream() {
  const { host, program } = memoryStream()
  return { host, supervisor: new ScriptedSupervisor(program) }
}

/** Lets everything happen that is due without time passing. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a supervisor that is frozen', () => {
  test('is noticed 13 s after the request, however long the request may wait', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { client, connection } = await openScripted()
    const failure = failureOf(client.wait('abc-1', { waitMs: 50_000, head: 0, tail: 0 }))
    await vi.advanceTimersByTimeAsync(12_999)
    expect(connection.isOpen).toBe(true)
    await vi.advanceTimersByTimeAsync(1)
    expect(await failure).toBeInstanceOf(ConnectionLost)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is not looked for while nobody waits, or while it is heard', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { supervisor, client } = await openScripted()
    await vi.advanceTimersByTimeAsync(60_000)
    const slow = client.wait('abc-1', { waitMs: 50_000, head: 0, tail: 0 })
    const { channel } = await supervisor.next(FrameType.wait)
    for (let second = 0; second < 10; second++) {
      const quick = client.quiesce(0, 0)
      const asked = await supervisor.next(FrameType.quiesce)
      void supervisor.send(reply.quiesced(asked.channel, true))
      await quick
      await vi.advanceTimersByTimeAsync(1000)
    }
    expect(supervisor.count(FrameType.ping)).toBe(0)
    void supervisor.send(reply.result(channel))
    await slow
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a hold of another server', () => {
  async function openRequest() {
    const { client, supervisor, connection } = await openScripted()
    const failure = failureOf(client.stat('/', false))
    await supervisor.next(FrameType.stat)
    return { supervisor, connection, failure }
  }

  test('in which the stream ends means that open requests were not begun', async () => {
    const { supervisor, connection, failure } = await openRequest()
    await supervisor.send(reply.error(0, 'quiescing'))
    await settle()
    expect(connection.isOpen).toBe(true)
    supervisor.program.exit(137)
    expect(await failure).toBeInstanceOf(ConnectionHeld)
  })

  test('says nothing of them once it is over, nor when this server closes the connection', async () => {
    const over = await openRequest()
    await over.supervisor.send(Buffer.concat([reply.error(0, 'quiescing'), reply.ok(0)]))
    await settle()
    over.supervisor.program.exit(137)
    expect(await over.failure).not.toBeInstanceOf(ConnectionHeld)
    const closed = await openRequest()
    await closed.supervisor.send(reply.error(0, 'quiescing'))
    await settle()
    closed.connection.close()
    expect(await closed.failure).not.toBeInstanceOf(ConnectionHeld)
  })
})

describe('the handshake', () => {
  test('is sent without waiting, and gives what the supervisor says of itself', async () => {
    const { host, supervisor } = newStream()
    const opening = Connection.open(host)
    const hello = fieldsOf(await supervisor.next(FrameType.hello))
    expect([hello.u32(), hello.u16(), hello.remaining]).toEqual([PROTOCOL_MAGIC, 1, 0])
    await supervisor.send(reply.hello({ bootId: Buffer.alloc(16, 9) }))
    const connection = await opening
    expect(connection.hello).toMatchObject({ bootId: Buffer.alloc(16, 9), spoolDir: '/tmp/.sandbox', uid: 1_100_001 })
    expect(connection.isOpen).toBe(true)
  })

  test.each([
    ['another version', reply.hello({ version: 2 }), 'protocol version 2'],
    ['another magic', reply.hello({ magic: 1 }), 'not a supervisor'],
    ['a boot id of another length', reply.hello({ bootId: Buffer.alloc(15) }), 'boot id'],
    ['another frame first', reply.ok(1), 'no HELLO'],
    ['a HELLO on a channel', Buffer.concat([frame(FrameType.hello, 1)]), 'no HELLO'],
    ['a HELLO that is cut', frame(FrameType.hello, 0, (w) => w.u32(PROTOCOL_MAGIC)), 'cut short'],
    ['a frame of four gigabytes', Buffer.alloc(4, 0xff), 'frame length'],
    ['an error, for instance of the version', reply.error(0, 'version'), 'no HELLO'],
  ])('fails with %s, and closes the stream', async (_, bytes, reason) => {
    const { host, supervisor } = newStream()
    void supervisor.send(bytes)
    const error: unknown = await Connection.open(host).catch((each: unknown) => each)
    expect(error).toBeInstanceOf(ConnectionLost)
    expect((error as Error).message).toContain(reason)
    await supervisor.closed()
  })

  test('fails when the supervisor says nothing in time, and closes the stream', async () => {
    const { host, supervisor } = newStream()
    await expect(Connection.open(host, { deadlineMs: 20 })).rejects.toThrow('did not answer in time')
    await supervisor.closed()
  })

  test('that comes too late changes nothing', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { host, supervisor } = newStream()
    const opening = Connection.open(host, { deadlineMs: 1000 })
    const failure = failureOf(opening)
    vi.advanceTimersByTime(1000)
    await supervisor.send(reply.hello())
    expect(await failure).toBeInstanceOf(ConnectionLost)
  })

  test('fails when the program ends, with what it printed on stderr as the cause', async () => {
    const { host, supervisor } = newStream()
    supervisor.program.stderr('no such file')
    supervisor.program.cut(undefined)
    await expect(Connection.open(host)).rejects.toThrow('the stream to the supervisor ended')
  })

  test('leaves no timer behind', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await openScripted()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('replies', () => {
  test('reach whoever asked, in whatever order they come', async () => {
    const { supervisor, connection } = await openScripted()
    const first = connection.request(encode.commands, FrameType.ok, decode.ok)
    const second = connection.request(encode.commands, FrameType.ok, decode.ok)
    const [a, b] = [await supervisor.next(FrameType.commands), await supervisor.next(FrameType.commands)]
    expect(a.channel).not.toBe(b.channel)
    await supervisor.send(reply.ok(b.channel, 2), reply.ok(a.channel, 1))
    expect(await Promise.all([first, second])).toEqual([1, 2])
    expect(connection.openChannels).toBe(0)
  })

  test('that are errors reject with their code and errno, and the connection goes on', async () => {
    const { supervisor, client } = await openScripted()
    const asked = client.stat('/x', true)
    const { channel } = await supervisor.next(FrameType.stat)
    await supervisor.send(reply.error(channel, 'not_found', 2))
    const error: unknown = await asked.catch((each: unknown) => each)
    expect(error).toBeInstanceOf(WireError)
    expect(error).toMatchObject({ code: 'not_found', errno: 2 })
    supervisor.answer = (each) => reply.ok(each.channel)
    await client.ping()
  })

  test('cut into single bytes are understood', async () => {
    const { supervisor, client } = await openScripted()
    const asked = client.stat('/x', true)
    const { channel } = await supervisor.next(FrameType.stat)
    for (const byte of reply.stat(channel, { size: 12 })) await supervisor.send(Buffer.from([byte]))
    await expect(asked).resolves.toMatchObject({ sizeBytes: 12 })
  })
})

describe('a hostile supervisor loses its connection', () => {
  test.each([
    ['a reply on a channel that is not open', (channel: number) => reply.ok(channel + 1), 'not open'],
    [
      'a second reply on a channel',
      (channel: number) => Buffer.concat([reply.ok(channel), reply.ok(channel)]),
      'not open',
    ],
    ['an unexpected type', (channel: number) => reply.written(channel), 'unexpected reply'],
    ['an unknown type', (channel: number) => frame(0xee, channel), 'unexpected reply'],
    ['a frame on channel 0', () => reply.error(0, 'protocol'), 'ended the connection'],
    ['a forged length', () => Buffer.from([0xff, 0xff, 0xff, 0x7f]), 'frame length'],
    [
      'an unknown error code',
      (channel: number) => frame(FrameType.error, channel, (w) => w.u16(999).i32(0)),
      'unknown value',
    ],
    ['a payload that is cut', (channel: number) => frame(FrameType.ok, channel, (w) => w.u32(1)), 'cut short'],
    ['bytes left over', (channel: number) => frame(FrameType.ok, channel, (w) => w.u64(1).u8(0)), 'left over'],
  ])('by %s', async (_, hostile, reason) => {
    const { supervisor, client, connection } = await openScripted()
    const ends: ConnectionLost[] = []
    connection.onClose((error) => ends.push(error))
    const bystander = client.stat('/x', true).catch((each: unknown) => each)
    const asked = client.ping().catch((each: unknown) => each)
    const { channel } = await supervisor.next(FrameType.ping)
    await supervisor.send(hostile(channel))
    await supervisor.closed()
    expect(connection.isOpen).toBe(false)
    expect(connection.openChannels).toBe(0)
    expect(ends).toHaveLength(1)
    expect(ends[0]?.message).toContain(reason)
    expect(await bystander).toBe(ends[0])
    await asked
  })

  test.each([
    ['a command id with a slash', (channel: number) => reply.result(channel, { id: '../../x' })],
    ['a time beyond what a date holds', (channel: number) => reply.result(channel, { startedAtMs: 8.64e15 + 8 })],
    ['more output than was asked for', (channel: number) => reply.result(channel, { stdout: Buffer.alloc(31) })],
    [
      'a longer tail than was asked for',
      (channel: number) =>
        frame(FrameType.result, channel, (w) =>
          w.raw(reply.result(0).subarray(9, -16)).bytes(Buffer.alloc(0)).bytes(Buffer.alloc(21)).u32(0).u32(0),
        ),
    ],
  ])('by a result with %s', async (_, hostile) => {
    const { supervisor, client, connection } = await openScripted()
    const asked = client.wait('abc-1', { waitMs: 0, head: 10, tail: 20 })
    const { channel } = await supervisor.next(FrameType.wait)
    void supervisor.send(hostile(channel))
    await expect(asked).rejects.toThrow(ConnectionLost)
    expect(connection.isOpen).toBe(false)
  })

  test.each([
    ['a page larger than asked for', (channel: number) => reply.output(channel, {}, { data: Buffer.alloc(101) })],
    ['a page on the other stream', (channel: number) => reply.output(channel, {}, {}, { data: Buffer.alloc(101) })],
    ['a cursor that goes back', (channel: number) => reply.output(channel, {}, { first: 5, next: 4 })],
  ])('by %s', async (_, hostile) => {
    const { supervisor, client } = await openScripted()
    const asked = client.output('abc-1', {
      stdout: true,
      stderr: true,
      fromEnd: false,
      sinceStdout: 0,
      sinceStderr: 0,
      maxBytes: 100,
      waitMs: 0,
    })
    const { channel } = await supervisor.next(FrameType.output)
    void supervisor.send(hostile(channel))
    await expect(asked).rejects.toThrow(ConnectionLost)
  })

  test('by more lines, or longer ones, than were asked for', async () => {
    for (const lines of [['a', 'b', 'c'], ['x'.repeat(11)]]) {
      const { supervisor, client } = await openScripted()
      const asked = client.readLines('/x', { first: 1, maxLines: 2, maxBytes: 100, maxLineBytes: 10 })
      const { channel } = await supervisor.next(FrameType.readLines)
      void supervisor.send(reply.lines(channel, lines))
      await expect(asked).rejects.toThrow(ConnectionLost)
    }
  })

  test('by more entries than were asked for', async () => {
    const { supervisor, client } = await openScripted()
    const page = { path: '/x', depth: 1, hidden: false, sort: 'name', limit: 2, skip: 0, globs: [], folds: [] } as const
    const asked = client.list(page)
    const { channel } = await supervisor.next(FrameType.list)
    void supervisor.send(reply.entries(channel, ['a', 'b', 'c']))
    await expect(asked).rejects.toThrow(ConnectionLost)
  })
})

describe('the end of the connection', () => {
  test('fails every open request, and is told once', async () => {
    const { supervisor, client, connection } = await openScripted()
    const ends: ConnectionLost[] = []
    connection.onClose((error) => ends.push(error))
    const all = Promise.allSettled([client.ping(), client.info(), client.stat('/x', true)])
    await supervisor.next(FrameType.stat)
    supervisor.program.cut()
    const outcomes = await all
    expect(outcomes.map((each) => (each as PromiseRejectedResult).reason)).toEqual([ends[0], ends[0], ends[0]])
    expect(ends).toHaveLength(1)
    connection.onClose((error) => ends.push(error))
    expect(ends).toHaveLength(2)
  })

  test('by our own hand closes the stream', async () => {
    const { supervisor, client, connection } = await openScripted()
    const asked = client.ping()
    connection.close('no longer wanted')
    await expect(asked).rejects.toThrow('no longer wanted')
    await supervisor.closed()
  })

  test('fails a later request at once, and leaves no timer behind', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { client, connection } = await openScripted()
    connection.close()
    await expect(client.ping()).rejects.toThrow(ConnectionLost)
    await expect(client.read('/x', { offset: 0, length: 0 }, () => {})).rejects.toThrow(ConnectionLost)
    await expect(client.write('/x', Buffer.alloc(1_000_000), { mode: 'overwrite' })).rejects.toThrow(ConnectionLost)
    await expect(connection.send(encode.ping(1))).rejects.toThrow(ConnectionLost)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('comes when a request is not answered before its deadline', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { supervisor, client, connection } = await openScripted()
    const asked = client.ping({ deadlineMs: 1000 })
    await supervisor.next(FrameType.ping)
    vi.advanceTimersByTime(999)
    expect(connection.isOpen).toBe(true)
    vi.advanceTimersByTime(1)
    await expect(asked).rejects.toThrow('no answer within 1000 ms')
    await supervisor.closed()
  })

  test('does not come while a request may wait longer by its own wish', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { supervisor, client, connection } = await openScripted()
    supervisor.answersPings = true
    const asked = client.wait('abc-1', { waitMs: 50_000, head: 0, tail: 0 })
    const { channel } = await supervisor.next(FrameType.wait)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(connection.isOpen).toBe(true)
    await supervisor.send(reply.result(channel))
    await expect(asked).resolves.toMatchObject({ summary: { id: 'abc-1' } })
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('an abort', () => {
  test('rejects at once with the reason, sends ABORT, and the late reply frees the channel', async () => {
    const { supervisor, client, connection } = await openScripted()
    const controller = new AbortController()
    const asked = client.stat('/x', true, { signal: controller.signal })
    const { channel } = await supervisor.next(FrameType.stat)
    controller.abort(new Error('no longer wanted'))
    await expect(asked).rejects.toThrow('no longer wanted')
    expect((await supervisor.next(FrameType.abort)).channel).toBe(channel)
    expect(connection.openChannels).toBe(1)
    await supervisor.send(reply.error(channel, 'cancelled'))
    await settle()
    expect(connection.openChannels).toBe(0)
    expect(connection.isOpen).toBe(true)
  })

  test('that crosses the reply is harmless', async () => {
    const { supervisor, client, connection } = await openScripted()
    const controller = new AbortController()
    const asked = client.stat('/x', true, { signal: controller.signal })
    const { channel } = await supervisor.next(FrameType.stat)
    controller.abort()
    await expect(asked).rejects.toThrow('aborted')
    await supervisor.send(reply.stat(channel))
    await settle()
    expect([connection.openChannels, connection.isOpen]).toEqual([0, true])
  })

  test('after the reply does nothing', async () => {
    const { supervisor, client } = await openScripted()
    supervisor.answer = (each) => (each.type === FrameType.ping ? reply.ok(each.channel) : undefined)
    const controller = new AbortController()
    await client.ping({ signal: controller.signal })
    controller.abort()
    await settle()
    expect(supervisor.count(FrameType.abort)).toBe(0)
  })

  test('before the request sends nothing at all', async () => {
    const { supervisor, client, connection } = await openScripted()
    const signal = AbortSignal.abort(new Error('gone'))
    await expect(client.ping({ signal })).rejects.toThrow('gone')
    await settle()
    expect(supervisor.count(FrameType.ping)).toBe(0)
    expect(connection.openChannels).toBe(0)
  })
})

describe('a request that cannot be put into a frame', () => {
  test.each([
    ['a number out of its range', { waitMs: 0, head: -1, tail: 0 }, 'abc-1'],
    ['more than a frame holds', { waitMs: 0, head: 0, tail: 0 }, 'x'.repeat(2 * 1024 * 1024)],
  ])('by %s is refused here, and the connection goes on', async (_, budget, ref) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { supervisor, client, connection } = await openScripted()
    await expect(client.wait(ref, budget)).rejects.toThrow(RangeError)
    expect([connection.openChannels, connection.isOpen, vi.getTimerCount()]).toEqual([0, true, 0])
    await settle()
    expect(supervisor.count(FrameType.wait)).toBe(0)
  })
})

test('channel numbers begin again at 1 after the last, and an open one is passed over', async () => {
  const { host, supervisor } = newStream()
  void supervisor.send(reply.hello())
  const connection = await Connection.open(host, { firstChannel: 0xffff_fffe })
  const handler = { onFrame: () => 'open' as const, onLost: () => {} }
  const opened = Array.from({ length: 3 }, () => connection.openChannel(handler))
  expect(opened).toEqual([0xffff_fffe, 0xffff_ffff, 1])

  const again = newStream()
  void again.supervisor.send(reply.hello())
  const other = await Connection.open(again.host, { firstChannel: 0xffff_ffff })
  const short = other.request(encode.ping, FrameType.ok, decode.ok)
  other.openChannel(handler)
  const { channel } = await again.supervisor.next(FrameType.ping)
  expect(channel).toBe(0xffff_ffff)
  await again.supervisor.send(reply.ok(channel))
  await short
  expect(other.openChannel(handler)).toBe(2)
})
