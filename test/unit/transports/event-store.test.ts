import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { describe, expect, test } from 'vitest'
import { EVENT_LIMITS, EventBudget, type EventLimits, type Resumption } from '../../../src/transports/event-store.ts'

const ROOMY: EventLimits = { totalBytes: 1e6, sessionBytes: 1e6, sessionEvents: 1000, bytesBesideText: 0 }

const note = (n: number, text = ''): JSONRPCMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { n, text },
})
const answer = (id: number, text = ''): JSONRPCMessage => ({ jsonrpc: '2.0', id, result: { text } })
/** What the SDK's transport stores to open a stream. */
const OPENING = {} as JSONRPCMessage

function store(limits: Partial<EventLimits> = {}, isLast = (_id: string | number): boolean => true) {
  const budget = new EventBudget({ ...ROOMY, ...limits })
  return { budget, events: budget.session(isLast) }
}

function messages(rest: Resumption): unknown[] {
  return rest.kind === 'complete' ? rest.events.map(({ json }) => JSON.parse(json)) : [rest.kind]
}

describe('what came after an event of a stream', () => {
  test('is the rest of that stream, once its answer is there', async () => {
    const { events } = store()
    const opened = await events.storeEvent('a', OPENING)
    const first = await events.storeEvent('a', note(1))
    await events.storeEvent('b', note(2))
    expect(events.resume(opened)).toEqual({ kind: 'live' })
    const last = await events.storeEvent('a', answer(1))
    expect(messages(events.resume(opened))).toEqual([note(1), answer(1)])
    expect(messages(events.resume(first))).toEqual([answer(1)])
    expect(messages(events.resume(last))).toEqual([])
  })

  test('is replayed to a stream that is live', async () => {
    const { events } = store()
    const opened = await events.storeEvent('a', OPENING)
    await events.storeEvent('a', note(1))
    const sent: unknown[] = []
    const stream = await events.replayEventsAfter(opened, {
      send: (_id, message) => Promise.resolve(void sent.push(message)),
    })
    expect({ stream, sent }).toEqual({ stream: 'a', sent: [note(1)] })
  })

  test('is more than one answer where one body asked for more', async () => {
    const { events } = store({}, (id) => id === 2)
    const opened = await events.storeEvent('a', OPENING)
    await events.storeEvent('a', answer(1))
    expect(events.resume(opened)).toEqual({ kind: 'live' })
    await events.storeEvent('a', answer(2))
    expect(messages(events.resume(opened))).toEqual([answer(1), answer(2)])
  })

  test('is known though the event itself was dropped', async () => {
    const { events } = store({ sessionEvents: 2 })
    const opened = await events.storeEvent('a', OPENING)
    for (let at = 0; at < 10; at++) await events.storeEvent('a', note(at))
    await events.storeEvent('a', answer(1))
    expect(messages(events.resume(opened))).toEqual([note(9), answer(1)])
  })

  test('is gone when the answer was dropped, and when there never was such an event', async () => {
    const { events } = store({ sessionEvents: 2 })
    const opened = await events.storeEvent('a', OPENING)
    await events.storeEvent('a', answer(1))
    await events.storeEvent('b', answer(2))
    await events.storeEvent('c', answer(3))
    expect(events.resume(opened)).toEqual({ kind: 'gone' })
    for (const id of ['c/4711', 'd/1', 'c', '/', '', 'c/x', `${'c'.repeat(100)}/1`, 'c/1/1'])
      expect(events.resume(id), id).toEqual({ kind: 'gone' })
  })
})

describe('what is held', () => {
  test('is bounded for a session, by bytes and by events', async () => {
    const { events, budget } = store({ sessionBytes: 1000, sessionEvents: 5 })
    for (let at = 0; at < 100; at++) await events.storeEvent('a', note(at, 'x'.repeat(300)))
    expect(budget.bytes).toBeLessThanOrEqual(1000)
    expect(budget.bytes).toBeGreaterThan(300)
    await events.storeEvent('a', note(1, 'x'.repeat(5000)))
    expect(budget.bytes).toBe(0)
    for (let at = 0; at < 100; at++) await events.storeEvent('a', note(at))
    expect(budget.bytes).toBe(5 * Buffer.byteLength(JSON.stringify(note(99))))
  })

  test('is bounded for all sessions together; the oldest goes first, whoever’s it is', async () => {
    const budget = new EventBudget({ ...ROOMY, totalBytes: 1000 })
    const [old, young] = [budget.session(() => true), budget.session(() => true)]
    const opened = await old.storeEvent('a', OPENING)
    await old.storeEvent('a', answer(1, 'x'.repeat(600)))
    const youngOpened = await young.storeEvent('b', OPENING)
    await young.storeEvent('b', answer(1, 'x'.repeat(600)))
    expect(old.resume(opened)).toEqual({ kind: 'gone' })
    expect(messages(young.resume(youngOpened))).toHaveLength(1)
    expect(budget.bytes).toBeLessThanOrEqual(1000)
  })

  test('is given back when the session ends', async () => {
    const { events, budget } = store()
    const opened = await events.storeEvent('a', OPENING)
    for (let at = 0; at < 100; at++) await events.storeEvent('a', note(at))
    events.clear()
    expect(budget.bytes).toBe(0)
    expect(events.resume(opened)).toEqual({ kind: 'gone' })
  })

  test.each([
    ['short answers', 'x'.repeat(40)],
    ['long answers', 'x'.repeat(4000)],
    ['answers beyond Latin-1', '漢'.repeat(400)],
  ])('is counted by the memory that it takes: %s', async (_name, text) => {
    const budget = new EventBudget()
    // The first answers bring what is there once: code, shapes, empty tables.
    const warmUp = await fill(budget, 1, text)
    const [heapBefore, before] = [heapInUse(), budget.bytes]
    const sessions = await fill(budget, 14, text)
    const [grown, counted] = [heapInUse() - heapBefore, budget.bytes - before]
    expect(budget.events).toBe(EVENT_LIMITS.sessionEvents * (warmUp.length + sessions.length))
    expect(counted / grown).toBeGreaterThan(0.8)
    expect(counted / grown).toBeLessThan(1.25)
  })
})

/** Sessions that hold as many answers as they may, each of a stream of its own, as the SDK's transport has them. */
async function fill(budget: EventBudget, sessions: number, text: string): Promise<unknown[]> {
  const filled = Array.from({ length: sessions }, () => budget.session(() => true))
  for (const events of filled) {
    for (let at = 0; at < EVENT_LIMITS.sessionEvents; at++) {
      const stream = crypto.randomUUID()
      await events.storeEvent(stream, OPENING)
      await events.storeEvent(stream, answer(at, `${text}${at}`))
    }
  }
  return filled
}

/** After a collection, which a program may ask for since it has this flag. */
function heapInUse(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  return process.memoryUsage().heapUsed
}
