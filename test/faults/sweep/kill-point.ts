import type { CountedRequest } from '../../helpers/proxy-fault.ts'

/**
 * Where the server dies: before the engine hears of the request · when it has half of it · when it has done it and nobody has heard the answer.
 */
export type Side = 'before' | 'within' | 'after'

/** One moment of the scenario. Requests are named by what they are, and counted by name: other requests in between change nothing. */
export interface KillPoint {
  /** "POST /containers/create", "FRAME start". */
  readonly request: string
  /** Which of the requests of that name, from 1. */
  readonly nth: number
  readonly side: Side
}

/** Ids, names, tags and queries are different in every run. */
export function requestName({ method, path }: CountedRequest): string {
  const plain = (path.split('?', 1)[0] ?? '')
    .replace(/^\/(containers|volumes|exec)\/(?!create\b|json\b|prune\b)[^/]+/, '/$1/ID')
    .replace(/^\/images\/(?!json\b|create\b)(?:[^/]+\/)*?[^/]+(?=\/(?:json|tag|push)$|$)/, '/images/REF')
  return `${method} ${plain}`
}

export function pointName({ request, nth, side }: KillPoint): string {
  return `${side} ${request} ${nth}`
}

/** Every moment of a recorded run, in order. Half a request over HTTP is none to the engine, half a write is what a supervisor may have. */
export function allPoints(requests: readonly CountedRequest[]): readonly KillPoint[] {
  const counts = new Map<string, number>()
  return requests.flatMap((each) => {
    const request = requestName(each)
    const nth = (counts.get(request) ?? 0) + 1
    counts.set(request, nth)
    const sides: readonly Side[] = request === 'FRAME write' ? ['before', 'within', 'after'] : ['before', 'after']
    return sides.map((side) => ({ request, nth, side }))
  })
}
