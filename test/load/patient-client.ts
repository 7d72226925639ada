import type { CallResult } from '../../src/mcp/protocol.ts'
import type { McpClient } from '../helpers/mcp-client.ts'
import { type Refusal, refusalInError, refusalOf } from './refusals.ts'
import type { Tally } from './tally.ts'

/** The default of MCP clients (DEFAULT_REQUEST_TIMEOUT_MSEC of the SDKs): accepted work that takes longer is a failure. */
const CALL_TIMEOUT_MS = 60_000
/** When the server did not say when to come back. */
const USUAL_PAUSE_MS = 1000
/** Who is refused for so long is starved: a failure. Far above what a machine that does other work makes of a queue; the longest is in the report. */
const STARVED_MS = 600_000

/** Any user's mark within a text. */
export const MARKS = /mark-\d{4}-[0-9a-f]+/g

/** A call that did not go as it has to. */
export class CallFailed extends Error {
  override readonly name = 'CallFailed'
}

/** A user's MCP client that comes back when the server asks it to, as a well-behaved one does. */
export class PatientClient {
  /** Of the user: in whatever they write, and so in what they read; of nobody else. */
  readonly mark: string
  readonly #clients: readonly McpClient[]
  readonly #tally: Tally
  readonly #random: () => number

  /** With several clients, of several servers, each call goes to any one of them. */
  constructor(mark: string, clients: readonly McpClient[], tally: Tally, random: () => number) {
    this.mark = mark
    this.#clients = clients
    this.#tally = tally
    this.#random = random
  }

  /**
   * Calls a tool until it is served. Throws CallFailed for every answer that is neither a success nor a refusal, and for one with another
   * user's mark in it.
   */
  async call(kind: string, tool: string, args: Record<string, unknown>): Promise<CallResult> {
    const first = performance.now()
    for (;;) {
      const started = performance.now()
      const answer = await this.#attempt(tool, args)
      const now = performance.now()
      if (!('code' in answer)) {
        this.#check(tool, answer)
        this.#tally.served(kind, this.mark, now - started, started - first)
        return answer
      }
      this.#tally.refused(answer)
      if (now - first > STARVED_MS) throw new CallFailed(`${tool} was refused for ${Math.round(now - first)} ms`)
      await this.#comeBack(answer)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  /** Waits as a refused HTTP request is told to. Throws CallFailed when its answer is no refusal. */
  async refusedByHttp(what: string, answer: Response, body: string): Promise<void> {
    const refusal = refusalInError(new Error(body))
    if (!refusal) throw new CallFailed(`${what}: HTTP ${answer.status}: ${body.slice(0, 400)}`)
    const seconds = answer.headers.get('retry-after')
    const told = seconds === null ? refusal : { ...refusal, retryAfterMs: Number(seconds) * 1000 }
    this.#tally.refused(told)
    await this.#comeBack(told)
  }

  async #attempt(tool: string, args: Record<string, unknown>): Promise<CallResult | Refusal> {
    const client = this.#clients[Math.floor(this.#random() * this.#clients.length)]
    if (!client) throw new Error('there is a client')
    try {
      const result = await client.callTool(tool, args, { timeout: CALL_TIMEOUT_MS })
      return refusalOf(result) ?? result
    } catch (error) {
      const refusal = refusalInError(error)
      if (refusal) return refusal
      throw new CallFailed(`${tool} was not answered: ${String(error)}`, { cause: error })
    }
  }

  #check(tool: string, result: CallResult): void {
    const text = JSON.stringify(result)
    const others = [...new Set(text.match(MARKS))].filter((mark) => mark !== this.mark)
    if (others.length > 0) throw new CallFailed(`${tool} of ${this.mark} shows ${others.join(', ')}`)
    if (result.isError === true) throw new CallFailed(`${tool} of ${this.mark}: ${text.slice(0, 400)}`)
  }

  /** Waits as long as was asked for, and up to half as long again, so that those who were refused together do not come together. */
  async #comeBack({ retryAfterMs = USUAL_PAUSE_MS }: Refusal): Promise<void> {
    const pauseMs = retryAfterMs * (1 + this.#random() / 2)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
