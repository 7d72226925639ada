import { MultiServerMCPClient } from '@langchain/mcp-adapters'
import { AsyncLocalStorage } from 'node:async_hooks'

// One program that works for many people, each in their own sandbox, by their own token: TOKENS is {"alice":"…","bob":"…"}.
const { SANDBOX_URL = 'http://127.0.0.1:8080/mcp', TOKENS = '{}' } = process.env
const tokens = JSON.parse(TOKENS)
/** Who the program works for at the moment. */
const user = new AsyncLocalStorage()
const headersOf = (name) => ({ Authorization: `Bearer ${tokens[name]}` })

const client = new MultiServerMCPClient({
  // Connects to learn what tools there are, as the first user. Each call then has a session of its own, with the headers that the hook gives: that
  // costs a handshake, and no sandbox, which belongs to the user and not to the session.
  mcpServers: { sandbox: { transport: 'http', url: SANDBOX_URL, headers: headersOf(Object.keys(tokens)[0]) } },
  useStandardContentBlocks: true,
  beforeToolCall: () => ({ headers: headersOf(user.getStore()) }),
})
const tools = new Map((await client.getTools()).map((tool) => [tool.name, tool]))
const text = (blocks) => blocks.map((block) => block.text).join('\n')

await Promise.all(
  Object.keys(tokens).map((name) =>
    user.run(name, async () => {
      await tools.get('write_file').invoke({ path: 'whose.txt', content: `${name}'s file\n` })
      console.log(`${name}: ${text(await tools.get('shell_exec').invoke({ command: 'cat whose.txt' }))}`)
    }),
  ),
)
await client.close()
