import { deferred } from '../../src/lib/deferred.ts'

/** MCP over HTTP without an SDK: for what its clients never do. */

export interface WireAnswer {
  readonly status: number
  readonly headers: Headers
  /** The messages of a JSON body or of an event stream that has ended. */
  readonly messages: readonly WireMessage[]
  readonly text: string
}

export interface WireMessage {
  readonly id?: unknown
  readonly method?: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests assert it
  readonly result?: any
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
}

export interface WireEvent {
  readonly event: string
  readonly id: string
  readonly data: string
}

export const INITIALIZE = {
  jsonrpc: '2.0',
  id: 'init',
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'wire', version: '1' } },
}

/** A request of 2026-07-28. */
export function modern(method: string, params: Record<string, unknown> = {}, id: unknown = 1) {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  return { jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } }
}

export function call(name: string, args: Record<string, unknown>, id: unknown = 1) {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } }
}

/** One caller: their token and, once there is one, their session. */
export class WireClient {
  readonly address: URL
  readonly token: string | undefined
  readonly version: string | undefined
  session: string | undefined

  constructor(address: URL, token?: string, version?: string) {
    this.address = address
    this.token = token
    this.version = version
  }

  async initialize(extra: Readonly<Record<string, string>> = {}): Promise<string> {
    const { headers, status, text } = await this.post(INITIALIZE, extra)
    const id = headers.get('mcp-session-id')
    if (id === null) throw new Error(`no session: ${status} ${text}`)
    this.session = id
    return id
  }

  headers(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      Accept: 'application/json, text/event-stream',
      ...(this.token !== undefined && { Authorization: `Bearer ${this.token}` }),
      ...(this.session !== undefined && { 'Mcp-Session-Id': this.session }),
      ...(this.version !== undefined && { 'MCP-Protocol-Version': this.version }),
      ...extra,
    }
  }

  async post(body: unknown, extra: Readonly<Record<string, string>> = {}, path = '/mcp'): Promise<WireAnswer> {
    return read(await this.send('POST', { 'Content-Type': 'application/json', ...extra }, body, path))
  }

  /** With the answer unread: a stream may not end. */
  send(
    method: string,
    extra: Readonly<Record<string, string>> = {},
    body?: unknown,
    path = '/mcp',
    signal?: AbortSignal,
  ): Promise<Response> {
    return fetch(new URL(path, this.address), {
      method,
      headers: this.headers(extra),
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    })
  }

  async get(extra: Readonly<Record<string, string>> = {}): Promise<WireAnswer> {
    return read(await this.send('GET', extra))
  }

  async delete(): Promise<WireAnswer> {
    return read(await this.send('DELETE'))
  }
}

export async function read(response: Response): Promise<WireAnswer> {
  const text = await response.text()
  const type = response.headers.get('content-type') ?? ''
  let messages: WireMessage[] = []
  if (type.includes('json') && text !== '') messages = [JSON.parse(text) as WireMessage].flat()
  if (type.includes('event-stream')) messages = parseEvents(text).map(({ data }) => JSON.parse(data) as WireMessage)
  return { status: response.status, headers: response.headers, messages, text }
}

/** The events of a stream's text that say something. */
export function parseEvents(text: string): WireEvent[] {
  return text
    .split('\n\n')
    .map((block) => {
      const field = (name: string) =>
        block
          .split('\n')
          .find((line) => line.startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trim() ?? ''
      return { event: field('event'), id: field('id'), data: field('data') }
    })
    .filter(({ data }) => data !== '')
}

/** A stream that is read as it comes. */
export class WireStream {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #decoder = new TextDecoder()
  text = ''
  /** Resolves when the server has ended or cut the stream. */
  readonly ended: Promise<void>
  /** Resolves when an event has come; rejects when the stream ends before one. */
  readonly firstEvent: Promise<void>
  readonly #first = deferred<void>()

  constructor({ body }: Response) {
    if (!body) throw new Error('the answer has no body')
    this.#reader = body.getReader()
    this.firstEvent = this.#first.promise
    // Not everybody waits for one.
    this.firstEvent.catch(() => {})
    this.ended = this.#drain()
    void this.ended.then(() => this.#first.reject(new Error(`the stream ended before an event: ${this.text}`)))
  }

  get events(): WireEvent[] {
    return parseEvents(this.text)
  }

  /** The client is gone. */
  cancel(): Promise<void> {
    return this.#reader.cancel()
  }

  async #drain(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read()
        if (done) return
        this.text += this.#decoder.decode(value, { stream: true })
        if (this.events.length > 0) this.#first.resolve()
      }
    } catch {
      // Cut off: an end like every other.
    }
  }
}
