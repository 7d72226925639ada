import type { Person } from './deployment.ts'
import { load } from './packages/load.ts'

/** A block of what a tool gives the model; a text, an image. */
interface Block {
  readonly type: string
  readonly text?: string
}
export interface ToolMessage {
  readonly content: string | readonly Block[]
  /** What goes to the program and not to the model. */
  readonly artifact?: unknown
}
export interface Tool {
  readonly name: string
  readonly metadata?: { readonly annotations?: { readonly readOnlyHint?: boolean } }
  invoke(call: { id: string; name: string; type: 'tool_call'; args: object }): Promise<ToolMessage>
}
interface MultiServerMCPClient {
  getTools(): Promise<Tool[]>
  close(): Promise<void>
}
interface Adapters {
  readonly MultiServerMCPClient: new (config: object) => MultiServerMCPClient
}
/** The client of LangChain's adapters for JavaScript, with one server called `sandbox`. */
export async function connectLangChain(connection: object, hooks: object = {}) {
  const { MultiServerMCPClient } = await load<Adapters>('@langchain/mcp-adapters')
  const mcpServers = { sandbox: connection }
  const client = new MultiServerMCPClient({
    mcpServers,
    useStandardContentBlocks: true,
    throwOnLoadError: true,
    ...hooks,
  })
  const tools = await client.getTools()
  const call = (name: string, args: object): Promise<ToolMessage> => {
    const tool = tools.find((each) => each.name === name)
    if (!tool) throw new Error(`no tool ${name}`)
    return tool.invoke({ id: `${name}-1`, name, type: 'tool_call', args })
  }
  return { tools, call, [Symbol.asyncDispose]: () => client.close() }
}

/** How LangChain is told of the server of a person. */
export const connectionOf = {
  stdio: ({ stdio }: Person) => ({ transport: 'stdio', stderr: 'ignore', ...stdio }),
  http: ({ http }: Person) => ({ transport: 'http', automaticSSEFallback: false, ...http }),
  sse: ({ sse }: Person) => ({ transport: 'sse', ...sse }),
}

/** All text of a message. */
export const textOf = ({ content }: ToolMessage): string =>
  typeof content === 'string' ? content : content.map(({ text = '' }) => text).join('\n')
