import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** How pieces of one direction are held back. */
export interface Pace {
  readonly latencyMs: number
  readonly jitterMs: number
  /** Pieces are joined until the sender pauses or so many bytes are there; 0: never. */
  readonly coalesceBytes: number
}

/** How long a sender may pause before what was joined so far goes on. */
const COALESCE_MS = 200
/** What is held back beyond this stops the sender. */
const MAX_HELD_BYTES = 1024 * 1024

/**
 * The pieces that arrive at a socket, in their order and not before their time: each is held back by itself, so that latency costs no
 * bandwidth. Ends with the sender's half of the connection.
 */
export async function* delayedPieces(from: Socket, pace: Pace): AsyncGenerator<Buffer, void> {
  const { latencyMs, jitterMs, coalesceBytes } = pace
  const waiting: { readonly piece: Buffer; readonly dueAt: number }[] = []
  const state = { heldBytes: 0, hasEnded: false, wake: (): void => {} }

  from.on('data', (piece: Buffer) => {
    const jitter = jitterMs === 0 ? 0 : (Math.random() * 2 - 1) * jitterMs
    const pause = coalesceBytes > 0 ? COALESCE_MS : 0
    waiting.push({ piece, dueAt: performance.now() + Math.max(0, latencyMs + jitter) + pause })
    state.heldBytes += piece.length
    if (state.heldBytes > Math.max(MAX_HELD_BYTES, coalesceBytes)) from.pause()
    state.wake()
  })
  const onEnd = (): void => {
    state.hasEnded = true
    state.wake()
  }
  from.on('end', onEnd)
  from.on('close', onEnd)
  const isJoining = (dueAt: number): boolean =>
    !state.hasEnded && state.heldBytes < coalesceBytes && performance.now() < dueAt

  for (;;) {
    const first = waiting[0]
    if (!first) {
      if (state.hasEnded) return
      await new Promise<void>((resolve) => (state.wake = resolve))
      continue
    }
    if (coalesceBytes === 0) await until(first.dueAt)
    // The sender has paused when nothing came for a while.
    else while (isJoining(waiting.at(-1)?.dueAt ?? 0)) await until(waiting.at(-1)?.dueAt ?? 0)
    const taken = waiting.splice(0, coalesceBytes === 0 ? 1 : waiting.length)
    const piece = Buffer.concat(taken.map((each) => each.piece))
    state.heldBytes -= piece.length
    from.resume()
    yield piece
  }
}

async function until(time: number): Promise<void> {
  const ms = time - performance.now()
  if (ms > 0) await delay(ms)
}
