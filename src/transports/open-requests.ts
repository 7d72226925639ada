import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js'

/** The requests of one connection that the client still waits for. The SDK tells nobody when a request has been answered. */
export class OpenRequests {
  readonly #ids = new Set<RequestId>()
  #onEmpty: (() => void) | undefined

  get size(): number {
    return this.#ids.size
  }

  has(id: RequestId): boolean {
    return this.#ids.has(id)
  }

  /** Looks at a message of the client before anybody else does. A cancelled request is not waited for any more. */
  received(message: JSONRPCMessage): void {
    if ('method' in message && 'id' in message) this.#ids.add(message.id)
    if ('method' in message && message.method === 'notifications/cancelled') this.#settle(message.params?.['requestId'])
  }

  /** Looks at a message that was sent to the client. */
  sent(message: JSONRPCMessage): void {
    if (!('method' in message)) this.#settle(message.id)
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
