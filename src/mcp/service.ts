import { SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { oneLine } from '../lib/visible-text.ts'
import type { Caller } from '../registry/caller.ts'
import type { Tool } from '../tools/tool.ts'
import { type CallDeps, callTool } from './call-tool.ts'
import { ProgressBeats, type ProgressNote } from './progress.ts'
import type { CallResult, ToolListing } from './protocol.ts'
import type { Resources } from './resources.ts'

export interface ServiceDeps extends CallDeps {
  readonly tools: readonly Tool[]
  /** From toolDefinitions(): made once, not per connection. */
  readonly definitions: readonly ToolListing[]
  readonly resources: Resources
  /** What a model is told when its client connects; starts nothing. */
  readonly instructions: (user: string) => Promise<string>
  /** Told when a client of a user has connected. */
  readonly onClient: (user: string) => void
  readonly version: string
}

/** tools/call, whichever transport and SDK it came by. */
export interface ServiceCall {
  readonly caller: Caller
  readonly name: string
  /** As the client sent them. */
  readonly args: unknown
  /** Fires when the client cancels or is gone. */
  readonly signal: AbortSignal
  /** Sends a note to the client; undefined when it did not ask for progress. */
  readonly progress?: ((note: ProgressNote) => void) | undefined
}

/**
 * What this server offers over MCP, without a transport, a connection or an SDK: one for the whole process, its callers told apart by what
 * each call brings. The binders give it to the SDKs. No sandbox starts before a call needs one.
 */
export class McpService {
  readonly info: { readonly name: string; readonly title: string; readonly version: string }
  readonly resources: Resources
  readonly logger: Logger
  /** As tools/list gives them. */
  readonly definitions: readonly ToolListing[]
  readonly #calls: CallDeps
  readonly #instructions: ServiceDeps['instructions']
  readonly #onClient: ServiceDeps['onClient']
  readonly #tools: ReadonlyMap<string, Tool>

  constructor(deps: ServiceDeps) {
    this.info = { name: 'sandbox-mcp', title: 'Sandbox', version: deps.version }
    this.resources = deps.resources
    this.logger = deps.logger
    this.definitions = deps.definitions
    this.#calls = deps
    this.#instructions = deps.instructions
    this.#onClient = deps.onClient
    this.#tools = new Map(deps.tools.map((tool) => [tool.name, tool]))
  }

  instructions({ user }: Caller): Promise<string> {
    return this.#instructions(user)
  }

  /** To be told when a client has connected: its user will call soon. Never waits or throws. */
  connected({ user }: Caller): void {
    this.#onClient(user)
  }

  /** Rejects with `invalid_argument` when there is no such tool; every other failure is a result that the model can read. */
  async callTool({ caller, name, args, signal, progress }: ServiceCall): Promise<CallResult> {
    const tool = this.#tools.get(name)
    if (!tool) {
      const known = [...this.#tools.keys()].join(', ')
      throw new SandboxError('invalid_argument', `Unknown tool ${oneLine(name, 80)}: there are ${known}.`)
    }
    const beats = progress && new ProgressBeats(progress)
    try {
      return await callTool(this.#calls, { tool, caller, args, signal, onProgress: beats?.note })
    } finally {
      beats?.stop()
    }
  }
}
