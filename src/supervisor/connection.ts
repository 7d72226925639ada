import { ByteReader, MalformedBytes } from '../lib/byte-codec.ts'
import { deferred } from '../lib/deferred.ts'
import { FrameParser } from '../lib/frame-parser.ts'
import type { ContainerStream } from '../engine/engine.ts'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import { ConnectionHeld, ConnectionLost, SupervisorSilent, WireError } from './errors.ts'
import { FRAME_MAX_LENGTH, FrameType, type Hello, PROTOCOL_VERSION } from './protocol.ts'

/** How long the supervisor may take for its HELLO, in milliseconds. */
const HELLO_DEADLINE_MS = 10_000

/** While a request is open, so much silence makes us ask whether the supervisor still answers. In milliseconds. */
const SILENCE_MS = 3000
/**
 * So much more means that it does not: a sandbox that stands still is noticed well before an MCP client gives up, which it does after 60 s. In
 * milliseconds.
 */
export const PING_DEADLINE_MS = 10_000

/** Receives the frames of one channel until `done` is returned; then the channel is free again. */
export interface ChannelHandler {
  onFrame(type: number, payload: Buffer): 'open' | 'done'
  onLost(error: ConnectionLost): void
}

export interface OpenOptions {
  /** Milliseconds that the supervisor may take for its HELLO. */
  readonly deadlineMs?: number
  /** Channels are numbered from here on, and from 1 again after the last. */
  readonly firstChannel?: number
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds without an answer after which the connection counts as dead and is closed; NO_DEADLINE = never. */
  readonly deadlineMs?: number
}

/** For a request whose caller watches for silence itself. */
export const NO_DEADLINE = 0

/** Default of RequestOptions.deadlineMs: far above any honest answer, also of a sandbox whose CPU quota is used up. */
const REQUEST_DEADLINE_MS = 30_000

/**
 * One stream to one supervisor: sends requests, each on a channel of its own, and hands the replies to whoever asked. When it
 * closes, every open request fails with ConnectionLost. A frame that breaks the protocol closes it: the sandbox is hostile.
 */
export class Connection {
  readonly hello: Hello
  readonly #stream: ContainerStream
  readonly #handlers: Map<number, ChannelHandler>
  readonly #closeListeners = new Set<(error: ConnectionLost) => void>()
  #silenceListener: (() => void) | undefined
  #nextChannel: number
  #lost: ConnectionLost | undefined
  /** Another server is about to put the sandbox to sleep. */
  #isHeld = false
  /** Runs while requests are open. */
  #silence: NodeJS.Timeout | undefined
  #heardMeanwhile = false
  #isAsking = false

  private constructor(
    stream: ContainerStream,
    hello: Hello,
    handlers: Map<number, ChannelHandler>,
    firstChannel: number,
  ) {
    this.#stream = stream
    this.#nextChannel = firstChannel
    this.hello = hello
    this.#handlers = handlers
  }

  /** Exchanges HELLO over a fresh stream. Fails with ConnectionLost when nobody answers in time or in another version. */
  static async open(
    stream: ContainerStream,
    { deadlineMs = HELLO_DEADLINE_MS, firstChannel = 1 }: OpenOptions = {},
  ): Promise<Connection> {
    const handlers = new Map<number, ChannelHandler>()
    const opened = deferred<Connection>()
    let connection: Connection | undefined
    const fail = (error: ConnectionLost) => {
      if (connection) connection.#fail(error)
      else opened.reject(error)
      stream.close()
    }
    const onFrame = (type: number, channel: number, payload: Buffer) => {
      if (connection) return connection.#onFrame(type, channel, payload)
      if (type !== FrameType.hello || channel !== 0) throw new MalformedBytes('no HELLO')
      const hello = decode.hello(new ByteReader(payload))
      if (hello.version !== PROTOCOL_VERSION) throw new MalformedBytes(`protocol version ${hello.version}`)
      connection = new Connection(stream, hello, handlers, firstChannel)
      opened.resolve(connection)
    }
    const parser = new FrameParser(FRAME_MAX_LENGTH, onFrame, (type) => type === FrameType.data)
    const timer = setTimeout(() => fail(new SupervisorSilent('the supervisor did not answer in time')), deadlineMs)
    stream.onData((data) => {
      if (connection) connection.#heardMeanwhile = true
      try {
        parser.push(data)
      } catch (error) {
        if (!(error instanceof MalformedBytes)) throw error
        fail(new ConnectionLost(`the supervisor broke the protocol: ${error.message}`, { cause: error }))
      }
    })
    stream.onClose(({ error, stderr }) => {
      const Lost = connection !== undefined && connection.#isHeld ? ConnectionHeld : ConnectionLost
      fail(new Lost('the stream to the supervisor ended', { cause: error ?? (stderr || undefined) }))
    })
    stream.write(encode.hello()).catch((error: unknown) => fail(new ConnectionLost('write failed', { cause: error })))
    try {
      return await opened.promise
    } finally {
      clearTimeout(timer)
    }
  }

  get isOpen(): boolean {
    return this.#lost === undefined
  }

  /** Number of requests that wait for an answer. */
  get openChannels(): number {
    return this.#handlers.size
  }

  /** Called once when the connection ends; at once if it has ended. */
  onClose(listener: (error: ConnectionLost) => void): void {
    if (this.#lost) listener(this.#lost)
    else this.#closeListeners.add(listener)
  }

  /** Called each time that requests are open and nothing was heard for a while, before the connection counts as dead. One listener at most. */
  onSilence(listener: () => void): void {
    this.#silenceListener = listener
  }

  close(reason = 'closed'): void {
    this.#fail(new ConnectionLost(reason))
    this.#stream.close()
  }

  /** Sends one frame, resolves when more is welcome. A failed write shows as the end of the connection. */
  async send(frame: Buffer): Promise<void> {
    if (this.#lost) throw this.#lost
    try {
      await this.#stream.write(frame)
    } catch (error) {
      const lost = new (this.#isHeld ? ConnectionHeld : ConnectionLost)('write failed', { cause: error })
      this.#fail(lost)
      throw this.#lost ?? lost
    }
  }

  /** Takes a free channel for `handler`. Throws ConnectionLost when the connection has ended. */
  openChannel(handler: ChannelHandler): number {
    if (this.#lost) throw this.#lost
    const channel = this.#nextChannel
    this.#nextChannel = channel === 0xffff_ffff ? 1 : channel + 1
    if (this.#handlers.has(channel)) return this.openChannel(handler)
    this.#handlers.set(channel, handler)
    this.#silence ??= this.#awaitSilence()
    return channel
  }

  /**
   * One request, one reply of type `expected`. Fails with WireError (the supervisor refused), ConnectionLost, the signal's reason, or
   * RangeError when `build` cannot; an abort frees the channel by ABORT.
   */
  request<T>(
    build: (channel: number) => Buffer,
    expected: FrameType,
    read: (reader: ByteReader) => T,
    options: RequestOptions = {},
  ): Promise<T> {
    const { signal, deadlineMs = REQUEST_DEADLINE_MS } = options
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = () => {
        this.#sendQuietly(encode.abort(channel))
        finish()
        reject(signal?.reason)
      }
      const finish = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      const channel = this.openChannel({
        onFrame: (type, payload) => {
          finish()
          const reader = new ByteReader(payload)
          if (type === FrameType.error) {
            const { name, errno } = decode.error(reader)
            reject(new WireError(name, errno))
          } else if (type === expected) resolve(read(reader))
          else throw new MalformedBytes(`unexpected reply ${type}`)
          return 'done'
        },
        onLost: (error) => {
          finish()
          reject(error)
        },
      })
      const expire = () => this.close(`no answer within ${deadlineMs} ms`)
      const timer = deadlineMs === NO_DEADLINE ? undefined : setTimeout(expire, deadlineMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      try {
        this.#sendQuietly(build(channel))
      } catch (error) {
        // It does not fit in a frame: nothing was sent, so no reply will free the channel.
        finish()
        this.#freeChannel(channel)
        reject(error)
      }
    })
  }

  #awaitSilence(): NodeJS.Timeout {
    this.#heardMeanwhile = false
    return setTimeout(() => this.#onSilence(), SILENCE_MS)
  }

  #onSilence(): void {
    const isSilent = !this.#heardMeanwhile
    this.#silence = this.#awaitSilence()
    if (!isSilent) return
    this.#silenceListener?.()
    if (this.#isAsking) return
    this.#isAsking = true
    // A failure shows at the requests that are open.
    const asked = this.request(encode.ping, FrameType.ok, decode.ok, { deadlineMs: PING_DEADLINE_MS })
    asked.catch(() => {}).finally(() => (this.#isAsking = false))
  }

  #freeChannel(channel: number): void {
    this.#handlers.delete(channel)
    if (this.#handlers.size > 0) return
    clearTimeout(this.#silence)
    this.#silence = undefined
  }

  /** For frames whose failure shows elsewhere: a lost connection rejects every open request. */
  #sendQuietly(frame: Buffer): void {
    this.send(frame).catch(() => {})
  }

  #onFrame(type: number, channel: number, payload: Buffer): void {
    const handler = this.#handlers.get(channel)
    if (!handler) {
      if (channel === 0) return this.#onNotice(type, payload)
      throw new MalformedBytes(`reply on channel ${channel}, which is not open`)
    }
    if (handler.onFrame(type, payload) === 'done') this.#freeChannel(channel)
  }

  /** A frame that answers no request: a hold of another server begins, or is over, or the supervisor ends the connection. */
  #onNotice(type: number, payload: Buffer): void {
    if (type === FrameType.ok) this.#isHeld = false
    else if (type === FrameType.error && decode.error(new ByteReader(payload)).name === 'quiescing') this.#isHeld = true
    else throw new MalformedBytes(`the supervisor ended the connection (frame ${type})`)
  }

  #fail(error: ConnectionLost): void {
    if (this.#lost) return
    this.#lost = error
    clearTimeout(this.#silence)
    for (const handler of this.#handlers.values()) handler.onLost(error)
    this.#handlers.clear()
    for (const listener of this.#closeListeners) listener(error)
    this.#closeListeners.clear()
  }
}
