import type { CallResult } from '../../src/mcp/protocol.ts'
import type { CallOptions, McpClient } from './mcp-client.ts'

/** Above every answer of a working server, on a busy machine too. */
const CALL_TIMEOUT_MS = 110_000

/** What a tool gave, by the parts that tests look at. */
export interface ToolAnswer {
  readonly isError: boolean
  /** The first text block. */
  readonly text: string
  /** The second text block; empty without one. */
  readonly footer: string
  // oxlint-disable-next-line typescript/no-explicit-any -- each tool has its own shape, which the tests assert
  readonly structured: any
  readonly result: CallResult
}

/** Whoever calls tools, over whichever transport. */
export abstract class ToolCaller {
  readonly user: string

  constructor(user: string) {
    this.user = user
  }

  protected abstract request(name: string, args: Record<string, unknown>, options: CallOptions): Promise<CallResult>

  /** Calls a tool. Errors of the tool are in the answer; errors of the protocol reject. */
  async call(name: string, args: Record<string, unknown> = {}, options: CallOptions = {}): Promise<ToolAnswer> {
    const result = await this.request(name, args, { timeout: CALL_TIMEOUT_MS, ...options })
    const [first, second] = result.content.flatMap((block) => (block.type === 'text' ? [block.text] : []))
    return {
      isError: result.isError === true,
      text: first ?? '',
      footer: second ?? '',
      structured: result.structuredContent,
      result,
    }
  }

  /** Runs a shell command; fails unless it could be run. Its exit code is in the answer. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as ToolAnswer.structured
  async exec(command: string, args: Record<string, unknown> = {}): Promise<any> {
    const answer = await this.call('shell_exec', { command, ...args })
    if (answer.isError) throw new Error(`${command}: ${answer.text}`)
    return answer.structured
  }

  /** The standard output of a shell command that succeeds, without its final newline. */
  async output(command: string, args: Record<string, unknown> = {}): Promise<string> {
    const { status, exit_code: exitCode, stdout, stderr } = await this.exec(command, args)
    if (exitCode !== 0) throw new Error(`${command}: ${status} ${exitCode}: ${stderr}`)
    return (stdout as string).replace(/\n$/, '')
  }

  /** The code and text of a call that must be refused. */
  async refusal(name: string, args: Record<string, unknown>): Promise<string> {
    const answer = await this.call(name, args)
    if (!answer.isError) throw new Error(`${name} was not refused: ${answer.text}`)
    return answer.text
  }
}

/** The tools behind a client that is connected. */
export class ConnectedCaller extends ToolCaller implements AsyncDisposable {
  readonly client: McpClient
  readonly #close: () => Promise<void>

  constructor(user: string, client: McpClient, close: () => Promise<void> = () => client.close()) {
    super(user)
    this.client = client
    this.#close = close
  }

  protected request(name: string, args: Record<string, unknown>, options: CallOptions): Promise<CallResult> {
    return this.client.callTool(name, args, options)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}
