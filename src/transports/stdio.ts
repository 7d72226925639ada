import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Server as ModernServer, Transport as ModernTransport } from '@modelcontextprotocol/server'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import type { Logger } from '../lib/logger.ts'
import { isDiscovery, isModern } from './era.ts'
import { answeredBy, cancelledBy, OpenRequests, requestOf } from './open-requests.ts'

/** After the client has closed our stdin, its open requests have this long to be answered, in milliseconds. */
const DRAIN_MS = 3000

export interface StdioDeps {
  /** The server for what clients of 2025-11-25 or older say. */
  readonly legacy: Server
  /** Makes the server for what clients of 2026-07-28 say. */
  readonly modern: () => Promise<ModernServer>
  /** Told when the client asks what the server is. */
  readonly onDiscovery?: () => void
  readonly logger: Logger
}

/**
 * Serves one client over stdin and stdout until it is gone: stdin ended, or stdout broke. Answers that are under way when stdin ends
 * are still written, within a bound. (MCP 2025-11-25, transports, stdio: the client closes the input stream to end the server.)
 * `onEnd` is called as soon as the end is known, before those answers.
 *
 * Both eras share the pipe, message by message, by what each message claims: a client may probe with `server/discover` and go on with
 * `initialize`. The SDK's second generation is loaded when the first message needs it, so that the others do not pay for it.
 */
export async function serveStdio(deps: StdioDeps, stopped: AbortSignal, onEnd: () => void): Promise<void> {
  const wire = new StdioServerTransport()
  const legacy = new Channel(wire)
  const modern = new Channel(wire)
  await deps.legacy.connect(legacy)
  let startModern = (): void => {
    startModern = () => {}
    connectModern(modern, deps).catch((err: unknown) =>
      deps.logger.error({ err }, 'Messages of protocol 2026-07-28 cannot be served.'),
    )
  }
  // oxlint-disable unicorn/prefer-add-event-listener -- the SDK's transports have these properties alone
  wire.onmessage = (message: JSONRPCMessage) => {
    if (!isModern(message) && !modern.isWaitingFor(message)) return legacy.receive(message)
    startModern()
    if (isDiscovery(message)) deps.onDiscovery?.()
    modern.receive(message)
  }
  wire.onerror = (error) => legacy.onerror?.(error)
  // oxlint-enable unicorn/prefer-add-event-listener
  await wire.start()
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
    const answered = Promise.all([legacy.open.drained(), modern.open.drained()])
    if (!signal.aborted) await Promise.race([answered, delay(DRAIN_MS, undefined, { signal })])
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    aborted.abort()
    await Promise.allSettled(gone)
  }
}

async function connectModern(channel: Channel, { modern, logger }: StdioDeps): Promise<void> {
  const sdk = await import('@modelcontextprotocol/server/stdio')
  sdk.serveStdio(modern, {
    legacy: 'reject',
    // The generations name the same messages by types of their own.
    transport: channel as unknown as ModernTransport,
    onerror: (err) => logger.debug({ err }, 'A message could not be read or sent.'),
  })
}

/** One era's part of the pipe, a transport to its SDK. What comes before that has connected waits. */
class Channel implements Transport {
  readonly open = new OpenRequests()
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  readonly #wire: StdioServerTransport
  #early: JSONRPCMessage[] | undefined = []

  constructor(wire: StdioServerTransport) {
    this.#wire = wire
  }

  start(): Promise<void> {
    const early = this.#early ?? []
    this.#early = undefined
    for (const message of early) this.onmessage?.(message)
    return Promise.resolve()
  }

  receive(message: JSONRPCMessage): void {
    const request = requestOf(message)
    if (request !== undefined) this.open.begin([request])
    const cancelled = cancelledBy(message)
    if (cancelled !== undefined) this.open.end(cancelled)
    if (this.#early) this.#early.push(message)
    else this.onmessage?.(message)
  }

  /** True for a cancel of one of this channel's requests: a cancel need not say of what revision it is. */
  isWaitingFor(message: JSONRPCMessage): boolean {
    const id = cancelledBy(message)
    return id !== undefined && this.open.has(id)
  }

  async send(message: JSONRPCMessage): Promise<void> {
    await this.#wire.send(message)
    const answered = answeredBy(message)
    if (answered !== undefined) this.open.end(answered)
  }

  close(): Promise<void> {
    this.onclose?.()
    return Promise.resolve()
  }
}
