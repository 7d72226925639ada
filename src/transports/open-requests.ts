import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js'

/** The requests that came together in one HTTP body. */
interface Batch {
  open: number
}

/** The requests of one connection that the client still waits for. The SDK tells nobody when a request has been answered. */
export class OpenRequests {
  readonly #batches = new Map<RequestId, Batch>()
  #onEmpty: (() => void) | undefined

  has(id: RequestId): boolean {
    return this.#batches.has(id)
  }

  /**
   * Takes note of the requests of one body, before anybody else sees them. False, and nothing noted, when an id stands for two requests at once:
   * answers could not be told apart.
   */
  begin(ids: readonly RequestId[]): boolean {
    if (ids.some((id, at) => this.#batches.has(id) || ids.indexOf(id) !== at)) return false
    const batch = { open: ids.length }
    for (const id of ids) this.#batches.set(id, batch)
    return true
  }

  /** True for the answer after which its body has no open request. */
  isLast(id: RequestId): boolean {
    return (this.#batches.get(id)?.open ?? 1) <= 1
  }

  /** The request was answered, or its client does not want the answer any more. */
  end(id: RequestId): void {
    const batch = this.#batches.get(id)
    if (batch) batch.open--
    this.#batches.delete(id)
    if (this.#batches.size === 0) this.#onEmpty?.()
  }

  /** Resolves when no request is open. */
  drained(): Promise<void> {
    if (this.#batches.size === 0) return Promise.resolve()
    return new Promise((resolve) => (this.#onEmpty = resolve))
  }
}

/** The id under which a message wants an answer; undefined for one that wants none, and for what is no message. */
export function requestOf(message: unknown): RequestId | undefined {
  if (typeof message !== 'object' || message === null || !('method' in message) || !('id' in message)) return undefined
  const { id } = message
  return typeof id === 'string' || typeof id === 'number' ? id : undefined
}

/** The request that a message takes back; undefined for every other message. */
export function cancelledBy(message: JSONRPCMessage): RequestId | undefined {
  if (!('method' in message) || message.method !== 'notifications/cancelled') return undefined
  const id = message.params?.['requestId']
  return typeof id === 'string' || typeof id === 'number' ? id : undefined
}

/** The request that a message answers; undefined for every other message. */
export function answeredBy(message: JSONRPCMessage): RequestId | undefined {
  return 'method' in message ? undefined : message.id
}
