import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js'

/** After the client has closed our stdin, its open requests have this long to be answered, in milliseconds. */
const DRAIN_MS = 3000

/**
 * Serves one client over stdin and stdout until it is gone: stdin ended, or stdout broke. Answers that are under way when stdin ends
 * are still written, within a bound. (MCP 2025-11-25, transports, stdio: the client closes the input stream to end the server.)
 * `onEnd` is called as soon as the end is known, before those answers.
 */
export async function serveStdio(server: Server, stopped: AbortSignal, onEnd: () => void): Promise<void> {
  const transport = new StdioServerTransport()
  const open = new OpenRequests()
  open.watch(transport)
  await server.connect(transport)
  const aborted = new AbortController()
  const signal = AbortSignal.any([stopped, aborted.signal])
  const gone = [
    once(process.stdin, 'end', { signal }),
    once(process.stdin, 'close', { signal }),
    once(process.stdout, 'error', { signal }).then(() => aborted.abort()),
    once(stopped, 'abort', { signal: aborted.signal }),
  ]
  try {
    await Promise.race(gone).finally(onEnd)
    if (!signal.aborted) await Promise.race([open.drained(), delay(DRAIN_MS, undefined, { signal })])
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    aborted.abort()
    await Promise.allSettled(gone)
  }
}

/** The requests that the client still waits for. */
class OpenRequests {
  readonly #ids = new Set<RequestId>()
  #onEmpty: (() => void) | undefined

  /**
   * Hooks into a transport that is not connected yet: the SDK tells nobody when a request has been answered. `connect` keeps the
   * listener and calls it first; set later, it would miss requests that wait in stdin already.
   */
  watch(transport: StdioServerTransport): void {
    const send = transport.send.bind(transport)
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's transports have this property alone
    transport.onmessage = (message: JSONRPCMessage) => {
      if ('method' in message && 'id' in message) this.#ids.add(message.id)
      if ('method' in message && message.method === 'notifications/cancelled')
        this.#settle(message.params?.['requestId'])
    }
    transport.send = async (message: JSONRPCMessage) => {
      await send(message)
      if (!('method' in message)) this.#settle(message.id)
    }
  }

  /** Resolves when no request is open. */
  drained(): Promise<void> {
    if (this.#ids.size === 0) return Promise.resolve()
    return new Promise((resolve) => (this.#onEmpty = resolve))
  }

  #settle(id: unknown): void {
    this.#ids.delete(id as RequestId)
    if (this.#ids.size === 0) this.#onEmpty?.()
  }
}
