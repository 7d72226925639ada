import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { ConnectionLost } from '../../../src/supervisor/errors.ts'
import { FrameType } from '../../../src/supervisor/protocol.ts'
import { failureOf } from '../../helpers/failure.ts'
import { seededBytes } from '../../helpers/random.ts'
import { fieldsOf, openScripted, type ScriptedSupervisor } from '../../helpers/scripted-supervisor.ts'
import { reply } from '../../helpers/supervisor-frames.ts'

afterEach(() => vi.useRealTimers())

const OVERWRITE = { mode: 'overwrite' } as const

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Answers the end of a write, or a write in one piece. */
function acceptWrites(supervisor: ScriptedSupervisor): void {
  supervisor.answer = ({ type, channel, payload }) => {
    if (type === FrameType.writeEnd) return reply.written(channel)
    if (type === FrameType.abort) return reply.error(channel, 'cancelled')
    if (type !== FrameType.write) return undefined
    const fields = fieldsOf({ type, channel, payload })
    fields.text()
    fields.u8()
    const isLast = (fields.u8() & 1) === 1
    return isLast ? reply.written(channel) : undefined
  }
}

function sentData(supervisor: ScriptedSupervisor): Buffer {
  return Buffer.concat(
    supervisor.received.filter(({ type }) => type === FrameType.writeData).map(({ payload }) => payload),
  )
}

async function* source(...pieces: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  await Promise.resolve()
  yield* pieces
}

describe('what is written arrives', () => {
  test.each([
    [0, 1],
    [256 * 1024, 1],
  ])('%i bytes in one frame', async (size, frames) => {
    const { supervisor, client } = await openScripted()
    acceptWrites(supervisor)
    const data = seededBytes(size)
    const write = { mode: 'create', executable: true, createParents: true, ifVersion: 9n } as const
    expect(await client.write('/x', data, write)).toMatchObject({ created: true })
    const fields = fieldsOf(await supervisor.next(FrameType.write))
    expect([fields.text(), fields.u8(), fields.u8(), fields.u64()]).toEqual(['/x', 2, 7, 9n])
    expect(fields.bytes().equals(data)).toBe(true)
    expect(supervisor.count(FrameType.write) + supervisor.count(FrameType.writeData)).toBe(frames)
  })

  test('larger ones in frames of 64 KiB, with their headers', async () => {
    const { supervisor, client } = await openScripted()
    acceptWrites(supervisor)
    const data = seededBytes(256 * 1024 + 1)
    await client.write('/x', data, OVERWRITE)
    expect(sentData(supervisor).equals(data)).toBe(true)
    const sizes = supervisor.received
      .filter(({ type }) => type === FrameType.writeData)
      .map((each) => each.payload.length)
    expect(sizes).toEqual([65_527, 65_527, 65_527, 65_527, 37])
  })

  test('streams, whatever the size of their pieces', async () => {
    const { supervisor, client } = await openScripted()
    acceptWrites(supervisor)
    const pieces = [seededBytes(1), seededBytes(0), seededBytes(200_000), seededBytes(3)]
    await client.write('/x', source(...pieces), OVERWRITE)
    expect(sentData(supervisor).equals(Buffer.concat(pieces))).toBe(true)
  })
})

test('what was sent is not held any more, however long the stream', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const { supervisor, client } = await openScripted()
  acceptWrites(supervisor)
  const sent: WeakRef<Uint8Array>[] = []
  async function* many(): AsyncIterable<Uint8Array> {
    for (let index = 0; index < 50; index++) {
      const piece = new Uint8Array(70_000)
      sent.push(new WeakRef(piece))
      yield piece
    }
    // A WeakRef holds what it refers to until the end of the turn.
    await settle()
    collectGarbage()
  }
  await client.write('/x', many(), OVERWRITE)
  const held = sent.filter((piece) => piece.deref() !== undefined)
  expect(held.length).toBeLessThan(5)
})

test('a supervisor that says it is written before the end is none of ours', async () => {
  const { supervisor, client, connection } = await openScripted()
  supervisor.answer = ({ type, channel }) => (type === FrameType.writeData ? reply.written(channel) : undefined)
  async function* endless(): AsyncIterable<Uint8Array> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve))
      yield Buffer.alloc(64 * 1024)
    }
  }
  await expect(client.write('/x', endless(), OVERWRITE)).rejects.toThrow(ConnectionLost)
  expect(connection.isOpen).toBe(false)
})

test('a slow stream holds back its source', async () => {
  const { supervisor, client, host } = await openScripted()
  let given = 0
  async function* endless(): AsyncIterable<Uint8Array> {
    for (;;) {
      await Promise.resolve()
      given++
      yield Buffer.alloc(64 * 1024)
    }
  }
  const blocked = deferred<void>()
  const write = host.write.bind(host)
  host.write = (data) => (data.length > 60_000 ? blocked.promise : write(data))
  const controller = new AbortController()
  const writing = client.write('/x', endless(), OVERWRITE, { signal: controller.signal })
  await supervisor.next(FrameType.write)
  await settle()
  expect(given).toBeLessThanOrEqual(2)
  controller.abort(new Error('enough'))
  await expect(writing).rejects.toThrow('enough')
})

describe('it ends early', () => {
  test('when the source fails: the write is aborted, and the source has its say', async () => {
    const { supervisor, client, connection } = await openScripted()
    acceptWrites(supervisor)
    async function* failing(): AsyncIterable<Uint8Array> {
      yield Buffer.from('first')
      await Promise.resolve()
      throw new Error('the upload was cut')
    }
    await expect(client.write('/x', failing(), OVERWRITE)).rejects.toThrow('the upload was cut')
    const { channel } = await supervisor.next(FrameType.write)
    expect((await supervisor.next(FrameType.abort)).channel).toBe(channel)
    await settle()
    expect(supervisor.count(FrameType.writeEnd)).toBe(0)
    expect([connection.openChannels, connection.isOpen]).toEqual([0, true])
  })

  test('when the supervisor refuses: no more is sent, and the source is let go', async () => {
    const { supervisor, client, connection } = await openScripted()
    supervisor.answer = ({ type, channel }) =>
      type === FrameType.write ? reply.error(channel, 'no_space', 28) : undefined
    let given = 0
    let letGo = false
    async function* endless(): AsyncIterable<Uint8Array> {
      try {
        for (;;) {
          await new Promise((resolve) => setImmediate(resolve))
          given++
          yield Buffer.alloc(10)
        }
      } finally {
        letGo = true
      }
    }
    await expect(client.write('/x', endless(), OVERWRITE)).rejects.toMatchObject({ code: 'no_space' })
    await settle()
    const atEnd = given
    await settle()
    expect([given, letGo]).toEqual([atEnd, true])
    expect([supervisor.count(FrameType.writeEnd), supervisor.count(FrameType.abort)]).toEqual([0, 0])
    expect([connection.openChannels, connection.isOpen]).toEqual([0, true])
  })

  test('when the supervisor refuses while the source gives nothing', async () => {
    const { supervisor, client } = await openScripted()
    const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
    const writing = client.write('/x', silent, OVERWRITE)
    const { channel } = await supervisor.next(FrameType.write)
    void supervisor.send(reply.error(channel, 'no_space', 28))
    await expect(writing).rejects.toMatchObject({ code: 'no_space' })
  })

  test('when it is aborted while the source gives nothing', async () => {
    const { supervisor, client } = await openScripted()
    const controller = new AbortController()
    const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
    const writing = client.write('/x', silent, OVERWRITE, { signal: controller.signal })
    await supervisor.next(FrameType.write)
    controller.abort(new Error('enough'))
    await expect(writing).rejects.toThrow('enough')
    await supervisor.next(FrameType.abort)
  })

  test('before anything is sent or asked of the source, when it was aborted before', async () => {
    const { supervisor, client } = await openScripted()
    let asked = false
    async function* watched(): AsyncIterable<Uint8Array> {
      asked = true
      await Promise.resolve()
      yield Buffer.alloc(1)
    }
    const signal = AbortSignal.abort(new Error('gone'))
    await expect(client.write('/x', watched(), OVERWRITE, { signal })).rejects.toThrow('gone')
    await settle()
    expect([asked, supervisor.received.length]).toEqual([false, 1])
  })

  test('when the connection is lost in the middle', async () => {
    const { supervisor, client } = await openScripted()
    async function* endless(): AsyncIterable<Uint8Array> {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve))
        yield Buffer.alloc(10)
      }
    }
    const writing = client.write('/x', endless(), OVERWRITE)
    const failure = failureOf(writing)
    await supervisor.next(FrameType.writeData)
    supervisor.program.cut()
    expect(await failure).toBeInstanceOf(ConnectionLost)
  })
})

describe('time', () => {
  test('that the source takes is not held against the supervisor', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { supervisor, client, connection } = await openScripted()
    supervisor.answersPings = true
    acceptWrites(supervisor)
    const more = deferred<void>()
    async function* slow(): AsyncIterable<Uint8Array> {
      yield Buffer.alloc(64 * 1024)
      await more.promise
    }
    const writing = client.write('/x', slow(), OVERWRITE)
    await supervisor.next(FrameType.writeData)
    await settle()
    await vi.advanceTimersByTimeAsync(10 * 60_000)
    expect(connection.isOpen).toBe(true)
    more.resolve()
    await writing
    expect(vi.getTimerCount()).toBe(0)
  })

  test('that the supervisor takes for the end is bounded', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { supervisor, client } = await openScripted()
    supervisor.answersPings = true
    const writing = client.write('/x', source(Buffer.from('all')), OVERWRITE)
    const failure = failureOf(writing)
    await supervisor.next(FrameType.writeEnd)
    await settle()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await failure).toMatchObject({ message: 'no progress within 60000 ms' })
  })
})
