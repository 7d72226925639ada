import { MultiServerMCPClient } from '@langchain/mcp-adapters'
import { createAgent } from 'langchain'
import { chatModel } from './model.mjs'

// An agent with a computer. One session, open as long as the client is.
const client = new MultiServerMCPClient({
  mcpServers: {
    sandbox: {
      transport: 'stdio',
      command: 'npx',
      args: ['-y', 'sandbox-mcp'],
      env: { ...process.env, SANDBOX_USER: 'alice' },
    },
  },
  useStandardContentBlocks: true,
  // Longer than the server waits for a command before it goes on in the background (wait_s, 45 s).
  defaultToolTimeout: 120_000,
})

const model = await chatModel([
  [{ id: '1', name: 'write_file', args: { path: 'sum.py', content: 'print(sum(range(101)))\n' } }],
  [{ id: '2', name: 'shell_exec', args: { command: 'python3 sum.py' } }],
  'The sum of the numbers to 100 is 5050.',
])
const agent = createAgent({ model, tools: await client.getTools() })
const { messages } = await agent.invoke({ messages: 'What is the sum of the numbers to 100? Use a program.' })
for (const message of messages) {
  const calls = message.tool_calls ?? []
  console.log(`${message.getType()}: ${calls.length > 0 ? JSON.stringify(calls) : message.text}`)
}

await client.close()
