import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { hostEnvironment } from './start-server.ts'

/** How a client's configuration says that a server is started. */
export interface ServerEntry {
  readonly command: string
  readonly args?: readonly string[] | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

export interface LaunchedClient extends AsyncDisposable {
  readonly client: Client
  toolNames(): Promise<string[]>
  /** The result of a tool that can do its job. */
  call(name: string, args: Record<string, unknown>): Promise<CallToolResult>
}

/** Starts a server as a client does, in `cwd`, and connects to it. `env` comes before the entry's own. */
export async function launch(
  { command, args = [], env = {} }: ServerEntry,
  { cwd, env: surroundings }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<LaunchedClient> {
  const client = new Client({ name: 'test', version: '1.0.0' })
  const environment = { ...hostEnvironment(), ...surroundings, ...env }
  const transport = new StdioClientTransport({ command, args: [...args], env: environment, cwd, stderr: 'pipe' })
  let stderr = ''
  transport.stderr?.on('data', (piece) => (stderr += String(piece)))
  try {
    await client.connect(transport)
  } catch (error) {
    throw new Error(`the server did not answer:\n${stderr}`, { cause: error })
  }
  return {
    client,
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    async call(name, given) {
      const result = (await client.callTool({ name, arguments: given }, undefined, {
        timeout: 110_000,
      })) as CallToolResult
      if (result.isError) throw new Error(`${name}: ${JSON.stringify(result.content)}`)
      return result
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
}
