import { afterEach, describe, expect, test, vi } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { NO_DEADLINE } from '../../../src/supervisor/connection.ts'
import { ConnectionLost } from '../../../src/supervisor/errors.ts'
import { FrameType } from '../../../src/supervisor/protocol.ts'
import { failureOf } from '../../helpers/failure.ts'
import { fieldsOf, openScripted } from '../../helpers/scripted-supervisor.ts'
import { reply } from '../../helpers/supervisor-frames.ts'

afterEach(() => vi.useRealTimers())

const WHOLE = { offset: 0, length: 0 }
const CHUNK = Buffer.alloc(64 * 1024, 1)
const WINDOW = 1024 * 1024
/** As much as is granted at once. */
const GRANT = WINDOW / 4

function grantOfData(channel: number): Buffer[] {
  return Array.from({ length: GRANT / CHUNK.length }, () => reply.data(channel, CHUNK))
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('the pieces come in order, the last with the end, and the file is what it was', async () => {
  const { supervisor, client, connection } = await openScripted()
  const pieces: string[] = []
  const reading = client.read('/x', { offset: 7, length: 9 }, (data) => void pieces.push(data.toString()))
  const asked = await supervisor.next(FrameType.read)
  const fields = fieldsOf(asked)
  expect([fields.text(), fields.u64(), fields.u64(), fields.u32()]).toEqual(['/x', 7n, 9n, WINDOW])
  const { channel } = asked
  void supervisor.send(
    reply.data(channel, Buffer.from('abc')),
    reply.data(channel, Buffer.from('def')),
    reply.readEnd(channel, Buffer.from('ghi'), { size: 9, version: 5n }),
  )
  expect(await reading).toMatchObject({ sizeBytes: 9, version: 5n })
  expect(pieces).toEqual(['abc', 'def', 'ghi'])
  expect(connection.openChannels).toBe(0)
})

test('an empty file gives no piece', async () => {
  const { supervisor, client } = await openScripted()
  supervisor.answer = ({ type, channel }) => (type === FrameType.read ? reply.readEnd(channel) : undefined)
  let calls = 0
  await client.read('/x', WHOLE, () => void calls++)
  expect(calls).toBe(0)
})

describe('back-pressure', () => {
  test('grants what the consumer has taken, once that is a quarter of the window', async () => {
    const { supervisor, client } = await openScripted()
    const taken = Array.from({ length: 6 }, () => deferred<void>())
    let calls = 0
    const reading = client.read('/x', WHOLE, () => taken[calls++]?.promise)
    const { channel } = await supervisor.next(FrameType.read)
    await supervisor.send(reply.data(channel, CHUNK.subarray(0, 10)), ...grantOfData(channel))
    for (let piece = 0; piece < 4; piece++) {
      taken[piece]?.resolve()
      await settle()
      expect([calls, supervisor.count(FrameType.window)]).toEqual([piece + 2, 0])
    }
    taken[4]?.resolve()
    expect(fieldsOf(await supervisor.next(FrameType.window)).u32()).toBe(GRANT + 10)
    await supervisor.send(reply.data(channel, CHUNK))
    taken[5]?.resolve()
    void supervisor.send(reply.readEnd(channel))
    await reading
    expect(supervisor.count(FrameType.window)).toBe(1)
  })

  test('counts what was taken and is not granted again as still held', async () => {
    const { supervisor, client } = await openScripted()
    const failure = failureOf(client.read('/x', WHOLE, () => {}))
    const { channel } = await supervisor.next(FrameType.read)
    await supervisor.send(reply.data(channel, CHUNK))
    await settle()
    const rest = Array.from({ length: WINDOW / CHUNK.length }, () => reply.data(channel, CHUNK))
    void supervisor.send(...rest)
    expect(await failure).toMatchObject({ cause: { message: 'more data than was granted' } })
  })

  test('lets a supervisor fill the window, and no more', async () => {
    const { supervisor, client, connection } = await openScripted()
    const never = new Promise<void>(() => {})
    const reading = client.read('/x', WHOLE, () => never).catch((error: unknown) => error)
    const { channel } = await supervisor.next(FrameType.read)
    for (let sent = 0; sent < WINDOW; sent += CHUNK.length) await supervisor.send(reply.data(channel, CHUNK))
    await settle()
    expect(connection.isOpen).toBe(true)
    void supervisor.send(reply.data(channel, Buffer.alloc(1)))
    const error = await reading
    expect(error).toBeInstanceOf(ConnectionLost)
    expect((error as Error).message).toContain('more data than was granted')
  })

  test('does not take a slow consumer for a silent supervisor', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { supervisor, client, connection } = await openScripted()
    const taken = deferred<void>()
    const reading = client.read('/x', WHOLE, () => taken.promise, { deadlineMs: 1000 })
    const { channel } = await supervisor.next(FrameType.read)
    await supervisor.send(...grantOfData(channel))
    await settle()
    vi.advanceTimersByTime(10_000)
    expect(connection.isOpen).toBe(true)
    taken.resolve()
    await supervisor.next(FrameType.window)
    void supervisor.send(reply.readEnd(channel))
    await reading
  })
})

describe('a range is not exceeded by a hostile supervisor', () => {
  test.each([
    ['in pieces', (channel: number) => [reply.data(channel, Buffer.alloc(6)), reply.data(channel, Buffer.alloc(5))]],
    [
      'with the end',
      (channel: number) => [reply.data(channel, Buffer.alloc(6)), reply.readEnd(channel, Buffer.alloc(5))],
    ],
  ])('%s', async (_, frames) => {
    const { supervisor, client } = await openScripted()
    let bytes = 0
    const reading = client.read('/x', { offset: 0, length: 10 }, (data) => void (bytes += data.length))
    const { channel } = await supervisor.next(FrameType.read)
    void supervisor.send(...frames(channel))
    await expect(reading).rejects.toThrow(ConnectionLost)
    expect(bytes).toBeLessThanOrEqual(10)
  })
})

describe('it ends early', () => {
  test('when the supervisor refuses', async () => {
    const { supervisor, client, connection } = await openScripted()
    supervisor.answer = ({ type, channel }) =>
      type === FrameType.read ? reply.error(channel, 'is_directory', 21) : undefined
    await expect(client.read('/x', WHOLE, () => {})).rejects.toMatchObject({ code: 'is_directory', errno: 21 })
    expect(connection.openChannels).toBe(0)
  })

  test('when the consumer fails, and the supervisor is told', async () => {
    const { supervisor, client, connection } = await openScripted()
    let calls = 0
    const reading = client.read('/x', WHOLE, () => {
      calls++
      throw new Error('the disk of the consumer is full')
    })
    const { channel } = await supervisor.next(FrameType.read)
    void supervisor.send(reply.data(channel, CHUNK), reply.data(channel, CHUNK))
    await expect(reading).rejects.toThrow('the disk of the consumer is full')
    expect((await supervisor.next(FrameType.abort)).channel).toBe(channel)
    await supervisor.send(reply.data(channel, CHUNK), reply.error(channel, 'cancelled'))
    await settle()
    expect(calls).toBe(1)
    expect([connection.openChannels, connection.isOpen]).toEqual([0, true])
    expect(supervisor.count(FrameType.abort)).toBe(1)
  })

  test('when the consumer fails on the last piece', async () => {
    const { supervisor, client, connection } = await openScripted()
    supervisor.answer = ({ type, channel }) =>
      type === FrameType.read ? reply.readEnd(channel, Buffer.from('x')) : undefined
    const failing = () => Promise.reject(new Error('full'))
    await expect(client.read('/x', WHOLE, failing)).rejects.toThrow('full')
    await settle()
    expect([connection.openChannels, connection.isOpen]).toEqual([0, true])
  })

  test('when it is aborted: the consumer gets nothing any more', async () => {
    const { supervisor, client, connection } = await openScripted()
    const controller = new AbortController()
    let calls = 0
    const reading = client.read('/x', WHOLE, () => void calls++, { signal: controller.signal })
    const { channel } = await supervisor.next(FrameType.read)
    await supervisor.send(...grantOfData(channel))
    await supervisor.next(FrameType.window)
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
    await supervisor.next(FrameType.abort)
    await supervisor.send(reply.data(channel, CHUNK), reply.error(channel, 'cancelled'))
    await settle()
    expect(calls).toBe(4)
    expect([connection.openChannels, connection.isOpen]).toEqual([0, true])
  })

  test('when the connection is lost', async () => {
    const { supervisor, client } = await openScripted()
    const reading = client.read('/x', WHOLE, () => {})
    await supervisor.next(FrameType.read)
    supervisor.program.cut()
    await expect(reading).rejects.toThrow(ConnectionLost)
  })

  test('when the supervisor is silent', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { supervisor, client } = await openScripted()
    const reading = client.read('/x', WHOLE, () => {}, { deadlineMs: 1000 })
    const failure = failureOf(reading)
    const { channel } = await supervisor.next(FrameType.read)
    vi.advanceTimersByTime(900)
    await supervisor.send(...grantOfData(channel))
    await supervisor.next(FrameType.window)
    vi.advanceTimersByTime(900)
    expect(supervisor.isClosed).toBe(false)
    vi.advanceTimersByTime(100)
    expect(await failure).toMatchObject({ message: 'no data within 1000 ms' })
  })

  test('never by time, when there is no deadline', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { supervisor, client, connection } = await openScripted()
    supervisor.answersPings = true
    const reading = client.read('/x', WHOLE, () => {}, { deadlineMs: NO_DEADLINE })
    const { channel } = await supervisor.next(FrameType.read)
    await vi.advanceTimersByTimeAsync(10 * 60_000)
    expect(connection.isOpen).toBe(true)
    void supervisor.send(reply.readEnd(channel))
    await reading
    expect(vi.getTimerCount()).toBe(0)
  })
})
