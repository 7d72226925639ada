import { setMaxListeners } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type * as z from 'zod'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { deferred } from '../../lib/deferred.ts'
import type { CallOptions } from '../engine.ts'
import { isReply, type Dial, type DialRequest } from './dial.ts'
import { parseJson, readBytes, readJsonLines, readText } from './reply.ts'
import { BadReplyError, statusError, transportError, type CodeByStatus } from './translate-error.ts'

/** One call of the engine's API. */
export interface ApiCall extends Omit<DialRequest, 'signal' | 'upgrade'> {
  /** What is asked for, as a verb phrase for messages: "start the container". */
  readonly action: string
  readonly limits: CallLimits
  /** Codes for statuses whose meaning differs from the general rule. */
  readonly codes?: CodeByStatus
}

/** A call for which some statuses mean "there is none" or "nothing to do", and are no error. */
export interface OptionalApiCall extends ApiCall {
  readonly absent: readonly number[]
}

/** When a call ends at the latest. */
export interface CallLimits {
  readonly signal: AbortSignal | undefined
  readonly deadlineMs: number
}

/** The limits of a method, to be shared by all the calls that it makes: `deadlineMs` is what is left at the time of asking. */
export function limitsOf(options: CallOptions | undefined, defaultMs: number): CallLimits {
  const until = performance.now() + (options?.deadlineMs ?? defaultMs)
  return {
    signal: options?.signal,
    get deadlineMs() {
      return Math.max(0, until - performance.now())
    },
  }
}

/**
 * The engine's HTTP API. Every call settles by its deadline, whatever the other side does, and destroys its request when it
 * fails. Replies are bounded and checked against a schema.
 */
export class EngineApi {
  readonly #dial: Dial
  readonly #closing = new AbortController()

  constructor(dial: Dial) {
    this.#dial = dial
    // Each call in progress listens; that is no leak.
    setMaxListeners(0, this.#closing.signal)
  }

  /** Ends all calls in progress, and the streams of {@link upgrade}. */
  close(): void {
    this.#closing.abort()
  }

  /** Fires when the engine is closed. */
  get closed(): AbortSignal {
    return this.#closing.signal
  }

  /** Reads the reply as JSON of the given shape. */
  json<T>(call: ApiCall, schema: z.ZodType<T>): Promise<T> {
    return this.#reply(call, [], (reply) => readJson(reply, schema))
  }

  /** As {@link json}; undefined for a status in `absent`. */
  find<T>(call: OptionalApiCall, schema: z.ZodType<T>): Promise<T | undefined> {
    return this.#reply(call, call.absent, (reply) => (isOk(reply) ? readJson(reply, schema) : readNothing(reply)))
  }

  /** Reads the reply as bytes, `maxBytes` of them at most; undefined for a status in `absent`. */
  findBytes(call: OptionalApiCall, maxBytes: number): Promise<Buffer | undefined> {
    return this.#reply(call, call.absent, (reply) => (isOk(reply) ? readBytes(reply, maxBytes) : readNothing(reply)))
  }

  /** Makes a call whose reply holds nothing of interest. */
  async send(call: ApiCall | OptionalApiCall): Promise<void> {
    await this.#reply(call, 'absent' in call ? call.absent : [], readText)
  }

  /** Hands out each line of a reply that is JSON lines. The deadline covers the whole reply; `onBegin` is called when its head has come. */
  async lines(call: ApiCall, onLine: (line: unknown) => void, onBegin?: () => void): Promise<void> {
    await this.#reply(call, [], async (reply) => {
      onBegin?.()
      for await (const line of readJsonLines(reply)) onLine(line)
    })
  }

  /** Asks for the raw connection. Nothing has been read from it; the caller owns it. */
  upgrade(call: ApiCall): Promise<Duplex> {
    return this.#bounded(call, async (signal) => {
      const result = await this.#dial({ ...call, signal, upgrade: true })
      if (!isReply(result)) return result
      await throwUnlessOk(call, result)
      result.destroy()
      throw new BadReplyError('the engine did not hand over the connection')
    })
  }

  #reply<T>(call: ApiCall, alsoOk: readonly number[], read: (reply: IncomingMessage) => Promise<T>): Promise<T> {
    return this.#bounded(call, async (signal) => {
      const reply = await this.#dialReply(call, signal)
      if (!alsoOk.includes(reply.statusCode ?? 0)) await throwUnlessOk(call, reply)
      return await read(reply)
    })
  }

  async #dialReply(call: ApiCall, signal: AbortSignal): Promise<IncomingMessage> {
    const attempt = async (): Promise<IncomingMessage> => {
      const result = await this.#dial({ ...call, signal })
      if (isReply(result)) return result
      result.destroy()
      throw new BadReplyError('the engine changed the protocol unasked')
    }
    try {
      return await attempt()
    } catch (error) {
      if (!signal.aborted && canAskAgain(call, error)) return await attempt()
      throw error
    }
  }

  /** Runs a call so that it settles by its deadline, and never later than the caller's signal. */
  async #bounded<T>(call: ApiCall, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { action } = call
    const { signal, deadlineMs } = call.limits
    const request = new AbortController()
    const ended = deferred<never>()
    const onCancel = (): void => ended.reject(cancelledError(action))
    const onClose = (): void => ended.reject(closedError())
    const onDeadline = (): void => ended.reject(deadlineError(action))
    const onUploadError = (cause: Error): void => ended.reject(uploadError(action, cause))

    if (signal?.aborted) throw cancelledError(action)
    if (this.closed.aborted) throw closedError()
    signal?.addEventListener('abort', onCancel)
    this.closed.addEventListener('abort', onClose)
    call.upload?.once('error', onUploadError)
    const timer = setTimeout(onDeadline, deadlineMs)
    try {
      return await Promise.race([ended.promise, run(request.signal)])
    } catch (error) {
      request.abort()
      call.upload?.destroy()
      throw transportError(error, action)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onCancel)
      this.closed.removeEventListener('abort', onClose)
    }
  }
}

async function throwUnlessOk(call: ApiCall, reply: IncomingMessage): Promise<void> {
  if (isOk(reply)) return
  throw statusError(reply.statusCode ?? 0, engineMessage(await readText(reply)), call.action, call.codes)
}

function isOk({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300
}

async function readJson<T>(reply: IncomingMessage, schema: z.ZodType<T>): Promise<T> {
  const parsed = schema.safeParse(parseJson(await readText(reply)))
  if (!parsed.success) throw new BadReplyError('the reply has an unknown shape', { cause: parsed.error })
  return parsed.data
}

async function readNothing(reply: IncomingMessage): Promise<undefined> {
  await readText(reply)
}

function cancelledError(action: string): SandboxError {
  return new SandboxError('cancelled', `The request to ${action} was cancelled.`)
}

function closedError(): SandboxError {
  return new SandboxError('engine_unreachable', 'The server is shutting down.')
}

/** The fault is in what we send, so the engine is not to blame. */
function uploadError(action: string, cause: Error): SandboxError {
  return new SandboxError('image_unavailable', `The request to ${action} failed: its files could not be read.`, {
    cause,
  })
}

function deadlineError(action: string): SandboxError {
  return new SandboxError(
    'engine_unreachable',
    `The container engine did not answer in time the request to ${action}.`,
    {
      hint: 'It may be overloaded or hung. Try again; if that fails, restart the container engine.',
    },
  )
}

/**
 * True when a kept-alive connection turned out to be closed by the engine (a restart), and the call can safely be made once more.
 * EPIPE: the kernel did not take all of the request, so the engine cannot have acted on it. ECONNRESET: it may have, so that only
 * a GET can be repeated.
 */
function canAskAgain({ method, upload }: ApiCall, error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return (code === 'EPIPE' && upload === undefined) || (code === 'ECONNRESET' && method === 'GET')
}

/** The `message` of an error reply (`{"message": "…"}`), or its text when it is something else. */
function engineMessage(text: string): string {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && 'message' in body) return String(body.message)
  } catch {
    // Not JSON: a proxy's own page, for instance. The text itself is kept for the log.
  }
  return text
}
