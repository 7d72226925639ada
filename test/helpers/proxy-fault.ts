import type { EngineRequest } from './engine-requests.ts'

/** What the proxy does to each connection. Replies are what the engine sends. */
export interface ProxyFault {
  /** Milliseconds that each piece is held back, in both directions. */
  readonly latencyMs?: number
  /** Up to this many milliseconds more or less for each piece; pieces keep their order. */
  readonly jitterMs?: number
  /** Ends the connection after this many bytes of replies. */
  readonly cutAfterBytes?: number
  /** Passes this many bytes of replies, and then nothing, with the connection open. */
  readonly stallAfterBytes?: number
  /** Ends the connection as soon as replies contain this text, after it. */
  readonly cutAfterText?: string
  /** Answers every request with these bytes itself. */
  readonly garbage?: Buffer
  /** Closes each connection at once. */
  readonly refuse?: boolean
  /** Holds replies back until the engine pauses or this many bytes are there, and passes them in one piece. */
  readonly coalesceBytes?: number
  /** Passes replies in pieces of at most this many bytes, one every few milliseconds. */
  readonly dripBytes?: number
  /** Changes a piece of a reply; the length must stay the same. */
  readonly rewrite?: (piece: Buffer) => Buffer
  /** Faults of single requests. Bytes of a reply are counted from its start. */
  readonly rules?: readonly ProxyRule[]
  /** Told of each request before it is passed on, and held up by it. */
  readonly onRequest?: (request: CountedRequest) => Hooked
  /** Told of each request when the engine has taken it: at the first byte of the reply, before that is passed on. */
  readonly onReply?: (request: CountedRequest) => Hooked
}

/** 'cut' ends the connection without passing on what was asked about, 'half' of a request after half of what has come of it. */
export type Hooked = Promise<Verdict | undefined> | Verdict | undefined
export type Verdict = 'cut' | 'half'

/** A request with its place among those that the proxy has seen, all connections together, from 1. */
export interface CountedRequest extends EngineRequest {
  readonly index: number
}

/** A fault of the replies to some requests: cut, stall, garbage, drip, text, rewrite; refuse and garbage keep the request from the engine. */
export interface ProxyRule {
  readonly method: string
  /** Matched with the path and its query. */
  readonly path: RegExp
  /** Which of the requests that match, from 1; without it all of them. */
  readonly nth?: number
  readonly fault: Pick<
    ProxyFault,
    'cutAfterBytes' | 'stallAfterBytes' | 'cutAfterText' | 'garbage' | 'refuse' | 'dripBytes' | 'rewrite'
  >
}

/** Finds the fault of each request among rules, each of which counts its matches. */
export function ruleBook(rules: readonly ProxyRule[]): (request: EngineRequest) => ProxyRule['fault'] | undefined {
  const matches = new Map<ProxyRule, number>()
  return ({ method, path }) => {
    for (const rule of rules) {
      if (rule.method !== method || !rule.path.test(path)) continue
      const nth = (matches.get(rule) ?? 0) + 1
      matches.set(rule, nth)
      if (rule.nth === undefined || rule.nth === nth) return rule.fault
    }
    return undefined
  }
}

/** What is to be passed on of a piece of a reply, and whether the connection ends after it. */
export interface Filtered {
  readonly piece: Buffer
  readonly isLast: boolean
}

/** The part of a fault that looks at the bytes of a reply. */
export function replyFilter(fault: ProxyFault): (piece: Buffer) => Filtered {
  let passed = 0
  let text = ''
  return (original) => {
    const piece = fault.rewrite?.(original) ?? original
    const before = passed
    passed += piece.length
    if (fault.cutAfterText !== undefined) {
      text += piece.toString('latin1')
      const at = text.indexOf(fault.cutAfterText)
      if (at !== -1) {
        return { piece: piece.subarray(0, Math.max(0, at + fault.cutAfterText.length - before)), isLast: true }
      }
    }
    const limit = fault.cutAfterBytes ?? fault.stallAfterBytes ?? Infinity
    const isLast = fault.cutAfterBytes !== undefined && passed >= limit
    return { piece: piece.subarray(0, Math.max(0, limit - before)), isLast }
  }
}
