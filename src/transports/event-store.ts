import type { EventStore } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  type JSONRPCMessage,
  isJSONRPCErrorResponse,
  isJSONRPCResultResponse,
} from '@modelcontextprotocol/sdk/types.js'

/** What all sessions together, and each of them, may have held for clients that lose their connection. Bytes are those of the memory that it takes. */
export interface EventLimits {
  readonly totalBytes: number
  readonly sessionBytes: number
  readonly sessionEvents: number
  /** What an event takes beside its text. */
  readonly bytesBesideText: number
}

export const EVENT_LIMITS: EventLimits = {
  totalBytes: 64 * 1024 ** 2,
  sessionBytes: 4 * 1024 ** 2,
  sessionEvents: 512,
  bytesBesideText: 704,
}

interface HeldEvent {
  /** Within its session, growing. */
  readonly number: number
  readonly stream: StreamRecord
  readonly json: string
  readonly bytes: number
  readonly owner: SessionEvents
}

interface StreamRecord {
  readonly id: string
  /** Nothing more will come: every request of the POST that began it was answered. */
  isComplete: boolean
  held: number
}

/** What is held now. */
export interface HeldEvents {
  readonly events: number
  /** Of memory, as the limits count them. */
  readonly bytes: number
}

/** The part of the budget that all sessions share. The oldest event goes first, whoever's it is. */
export class EventBudget implements HeldEvents {
  readonly #limits: EventLimits
  /** Oldest first. */
  readonly #events = new Set<HeldEvent>()
  #bytes = 0

  constructor(limits: EventLimits = EVENT_LIMITS) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  get events(): number {
    return this.#events.size
  }

  /** The events of a new session. `isLast`: whether this answer is the last that its POST waits for. */
  session(isLast: (answerTo: string | number) => boolean): SessionEvents {
    return new SessionEvents(this.#limits, isLast, {
      hold: (event) => {
        this.#events.add(event)
        this.#bytes += event.bytes
        for (const oldest of this.#events) {
          if (this.#bytes <= this.#limits.totalBytes) break
          oldest.owner.drop(oldest)
        }
      },
      drop: (event) => {
        if (this.#events.delete(event)) this.#bytes -= event.bytes
      },
    })
  }
}

interface Budget {
  hold(event: HeldEvent): void
  drop(event: HeldEvent): void
}

/** What a stream that was lost has still to say. */
export type Resumption =
  /** The events that came after, and no more will. */
  | { readonly kind: 'complete'; readonly events: readonly { readonly id: string; readonly json: string }[] }
  /** More is to come. */
  | { readonly kind: 'live' }
  /** No such event was ever sent, or the answer that came after it is no longer held. */
  | { readonly kind: 'gone' }

/**
 * What was sent in one session, within bounds, so that a client whose stream broke gets the rest of it (MCP 2025-11-25, transports, "Resumability
 * and Redelivery"). A stream's id is part of its events' ids: what comes after an event is known though that event itself was dropped.
 */
export class SessionEvents implements EventStore {
  readonly #limits: EventLimits
  readonly #isLast: (answerTo: string | number) => boolean
  readonly #budget: Budget
  readonly #streams = new Map<string, StreamRecord>()
  /** Oldest first; ids grow. */
  readonly #events = new Set<HeldEvent>()
  #bytes = 0
  #count = 0

  constructor(limits: EventLimits, isLast: (answerTo: string | number) => boolean, budget: Budget) {
    this.#limits = limits
    this.#isLast = isLast
    this.#budget = budget
  }

  storeEvent(streamId: string, message: JSONRPCMessage): Promise<string> {
    const stream = this.#stream(streamId)
    const number = ++this.#count
    const isAnswer = isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)
    if (isAnswer && message.id !== undefined && this.#isLast(message.id)) stream.isComplete = true
    const json = JSON.stringify(message)
    // The event that opens a stream says nothing: its id is enough.
    if (json !== '{}') this.#hold({ number, stream, json, bytes: this.#bytesOf(json), owner: this })
    return Promise.resolve(idOf({ streamId, number }))
  }

  /** For a stream that is live; the transport goes on with it. */
  async replayEventsAfter(
    lastEventId: string,
    { send }: { send: (eventId: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const place = parse(lastEventId)
    if (!place) throw new Error('An event id was not looked at before it was used.')
    for (const { number, json } of this.#after(place)) {
      await send(idOf({ ...place, number }), JSON.parse(json) as JSONRPCMessage)
    }
    return place.streamId
  }

  /** What a client can have that has seen everything up to this event. */
  resume(lastEventId: string): Resumption {
    const place = parse(lastEventId)
    const stream = place && this.#streams.get(place.streamId)
    if (!place || !stream || place.number > this.#count) return { kind: 'gone' }
    if (!stream.isComplete) return { kind: 'live' }
    const events = this.#after(place).map(({ number, json }) => ({ id: idOf({ ...place, number }), json }))
    return { kind: 'complete', events }
  }

  drop(event: HeldEvent): void {
    if (!this.#events.delete(event)) return
    this.#bytes -= event.bytes
    this.#budget.drop(event)
    const { stream } = event
    stream.held--
    // The answer comes last, so it went with this one.
    if (stream.isComplete && stream.held === 0) this.#streams.delete(stream.id)
  }

  clear(): void {
    for (const event of this.#events) this.#budget.drop(event)
    this.#events.clear()
    this.#streams.clear()
    this.#bytes = 0
  }

  #stream(id: string): StreamRecord {
    const known = this.#streams.get(id) ?? { id, isComplete: false, held: 0 }
    this.#streams.set(id, known)
    return known
  }

  #hold(event: HeldEvent): void {
    this.#events.add(event)
    this.#bytes += event.bytes
    event.stream.held++
    this.#budget.hold(event)
    for (const oldest of this.#events) {
      if (this.#events.size <= this.#limits.sessionEvents && this.#bytes <= this.#limits.sessionBytes) break
      this.drop(oldest)
    }
  }

  #after({ streamId, number }: Place): HeldEvent[] {
    return [...this.#events].filter((event) => event.stream.id === streamId && event.number > number)
  }

  /** V8 keeps a string with one byte for each character, or with two where any is beyond Latin-1. */
  #bytesOf(json: string): number {
    const isPlain = Buffer.byteLength(json) === json.length
    return this.#limits.bytesBesideText + json.length * (isPlain ? 1 : 2)
  }
}

interface Place {
  readonly streamId: string
  readonly number: number
}

function idOf({ streamId, number }: Place): string {
  return `${streamId}/${number}`
}

function parse(eventId: string): Place | undefined {
  const [, streamId, number] = /^([A-Za-z0-9_-]{1,64})\/(\d{1,15})$/.exec(eventId) ?? []
  return streamId === undefined ? undefined : { streamId, number: Number(number) }
}
