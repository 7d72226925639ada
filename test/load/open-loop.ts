import { setTimeout as delay } from 'node:timers/promises'
import type { CallResult } from '../../src/mcp/protocol.ts'
import { refusalInError, refusalOf } from './refusals.ts'

/** How a call of an open loop ended. */
export interface Outcome {
  readonly how: 'served' | 'refused' | 'failed'
  /** From its arrival, in milliseconds. */
  readonly ms: number
  /** The code of a refusal, or what failed. */
  readonly text: string
}

/**
 * Calls that arrive at a fixed rate, whether those before them have been answered or not: unlike clients that wait for their answer, they
 * show what an overloaded server does with its queue. `call` is given the number of the arrival. Resolves when all have ended.
 */
export async function openLoop(
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
  call: (arrival: number) => Promise<CallResult>,
): Promise<Outcome[]> {
  const started = performance.now()
  const outcomes: Promise<Outcome>[] = []
  const arrivals = Math.round(perSecond * seconds)
  for (let arrival = 0; arrival < arrivals; arrival++) {
    const due = started + (arrival * 1000) / perSecond
    // Late arrivals come at once, so that the rate holds over the whole time.
    if (due > performance.now()) await delay(due - performance.now())
    outcomes.push(outcomeOf(() => call(arrival)))
  }
  return await Promise.all(outcomes)
}

async function outcomeOf(call: () => Promise<CallResult>): Promise<Outcome> {
  const started = performance.now()
  const ended = (how: Outcome['how'], text: string): Outcome => ({ how, ms: performance.now() - started, text })
  try {
    const result = await call()
    const refusal = refusalOf(result)
    if (refusal) return ended('refused', refusal.code)
    return result.isError === true ? ended('failed', JSON.stringify(result.content)) : ended('served', '')
  } catch (error) {
    const refusal = refusalInError(error)
    return refusal ? ended('refused', refusal.code) : ended('failed', String(error))
  }
}
