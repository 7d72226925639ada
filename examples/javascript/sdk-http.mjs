import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

// A server for many, by URL. Who calls is what the token says: `sandbox-mcp token add alice` prints one.
const { SANDBOX_URL = 'http://127.0.0.1:8080/mcp', SANDBOX_TOKEN } = process.env
const headers = { Authorization: `Bearer ${SANDBOX_TOKEN}` }

/** A session. Each program, thread or host of the same user may have one of its own: they reach the same sandbox. */
async function connect() {
  const client = new Client({ name: 'example', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(new URL(SANDBOX_URL), { requestInit: { headers } }))
  return client
}

const writer = await connect()
await writer.callTool({ name: 'write_file', arguments: { path: 'note.txt', content: 'from another session\n' } })
await writer.close()

const reader = await connect()
const { structuredContent } = await reader.callTool({ name: 'shell_exec', arguments: { command: 'cat note.txt' } })
console.log(structuredContent.stdout)
await reader.close()
