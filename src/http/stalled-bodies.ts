import type { IncomingMessage } from 'node:http'
import { announcesBody } from './unread-body.ts'

/** A stalled body is found within this part of the time that it has. */
const LOOKS_PER_TIMEOUT = 4
/** A route that times its body itself has this much longer to say so before the connection is cut, in milliseconds. */
const ANSWER_MS = 500

interface Progress {
  /** Of the connection, when something last arrived. */
  bytesRead: number
  /** When that was seen, in milliseconds of the monotonic clock. */
  at: number
}

/**
 * Cuts connections whose client has announced a body and stopped to send it, however much of it came before. A client that only waits for
 * us to read on is left alone. One timer for all, since a timer for each would have to be put off with every chunk.
 */
export class StalledBodies implements Disposable {
  readonly #timeoutMs: number
  readonly #timer: NodeJS.Timeout
  readonly #incomplete = new Map<IncomingMessage, Progress>()

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#timer = setInterval(() => this.#look(), Math.ceil(timeoutMs / LOOKS_PER_TIMEOUT)).unref()
  }

  watch(request: IncomingMessage): void {
    if (!announcesBody(request)) return
    this.#incomplete.set(request, { bytesRead: request.socket.bytesRead, at: performance.now() })
    request.once('close', () => this.#incomplete.delete(request))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.now()
    for (const [request, progress] of this.#incomplete) {
      const { bytesRead } = request.socket
      // What has arrived and is not read yet is our delay, not the client's.
      const isOurs = request.readableLength > 0
      if (request.complete) this.#incomplete.delete(request)
      else if (bytesRead !== progress.bytesRead || isOurs) {
        progress.bytesRead = bytesRead
        progress.at = now
      } else if (now - progress.at >= this.#timeoutMs + ANSWER_MS) request.destroy()
    }
  }
}
