import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import type { EngineEvent, Labels } from '../engine.ts'
import type { Logger } from '../../lib/logger.ts'
import type { EngineApi } from './call.ts'

const TYPES = ['start', 'die', 'oom', 'destroy', 'pause', 'unpause', 'update'] as const

const Event = z.object({
  Action: z.string(),
  Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()).nullish() }),
  timeNano: z.number(),
})

/** Milliseconds between two attempts to connect again: doubled each time up to the maximum, back to the first after an event. */
const FIRST_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 5000
/** Events that wait for a slow consumer; the oldest are dropped beyond it. They are hints: who misses one looks at the engine. */
const MAX_WAITING = 4096
/** setTimeout's maximum: an event stream has no end of its own. */
const NO_DEADLINE_MS = 2 ** 31 - 1

/**
 * Follows the engine's container events. The connection is opened at once, and again after each cut, from where it broke off: the
 * engine keeps its last events (256 in Docker 20.10). Never fails: as long as no engine answers, it keeps trying.
 */
export function dockerEvents(
  api: EngineApi,
  filter: Labels,
  signal: AbortSignal,
  logger: Logger,
): AsyncIterable<EngineEvent> {
  const stop = new AbortController()
  const queue = new EventQueue(() => stop.abort())
  void follow(api, filter, AbortSignal.any([signal, stop.signal, api.closed]), logger, queue)
  return queue
}

/** Connects again and again until the signal fires; then ends the queue. */
async function follow(
  api: EngineApi,
  filter: Labels,
  signal: AbortSignal,
  logger: Logger,
  queue: EventQueue,
): Promise<void> {
  let since: bigint | undefined
  let backoffMs = FIRST_BACKOFF_MS
  let wasCut = false
  const onBegin = () => {
    if (wasCut) queue.push({ type: 'reconnected', timeMs: Date.now() })
  }
  while (!signal.aborted) {
    const repeatedUpTo = since ?? 0n
    const subscribedAtMs = Date.now()
    try {
      await api.lines(
        eventsCall(filter, since, signal),
        (line) => {
          const event = Event.safeParse(line)
          if (!event.success) return
          const time = BigInt(event.data.timeNano)
          if (time <= repeatedUpTo) return
          since = time
          backoffMs = FIRST_BACKOFF_MS
          const translated = toEvent(event.data)
          if (translated) queue.push(translated)
        },
        onBegin,
      )
      logger.info({}, 'the event stream of the container engine ended; connecting again')
    } catch (error) {
      if (signal.aborted) break
      logger.warn({ error, backoffMs }, 'the event stream of the container engine was cut; connecting again')
    }
    wasCut = true
    since ??= BigInt(subscribedAtMs) * 1_000_000n
    // The only rejection is the abort, which ends the loop.
    await delay(backoffMs, undefined, { signal }).catch(() => undefined)
    backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)
  }
  queue.end()
}

function eventsCall(filter: Labels, since: bigint | undefined, signal: AbortSignal) {
  const label = Object.entries(filter).map(([name, value]) => `${name}=${value}`)
  return {
    action: 'follow the events',
    method: 'GET',
    path: '/events',
    query: {
      filters: JSON.stringify({ type: ['container'], event: TYPES, label }),
      ...(since !== undefined && { since: `${since / NANOS}.${String(since % NANOS).padStart(9, '0')}` }),
    },
    limits: { signal, deadlineMs: NO_DEADLINE_MS },
  } as const
}

const NANOS = 1_000_000_000n

function toEvent({ Action, Actor, timeNano }: z.infer<typeof Event>): EngineEvent | undefined {
  const type = TYPES.find((known) => known === Action)
  if (!type) return undefined
  return { type, containerId: Actor.ID, labels: Actor.Attributes ?? {}, timeMs: Math.floor(timeNano / 1e6) }
}

/** Events that arrived and were not yet taken; bounded. For one consumer. */
class EventQueue implements AsyncIterableIterator<EngineEvent> {
  readonly #waiting: EngineEvent[] = []
  readonly #onReturn: () => void
  #wake: (() => void) | undefined
  #ended = false

  constructor(onReturn: () => void) {
    this.#onReturn = onReturn
  }

  push(event: EngineEvent): void {
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift()
    this.#waiting.push(event)
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async next(): Promise<IteratorResult<EngineEvent, undefined>> {
    while (!this.#ended) {
      const event = this.#waiting.shift()
      if (event) return { done: false, value: event }
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<EngineEvent, undefined>> {
    this.#onReturn()
    this.end()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
