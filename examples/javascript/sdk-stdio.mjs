import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'

// A server of one's own, over stdin and stdout. SANDBOX_USER says whose computer it is.
const transport = new StdioClientTransport({
  command: 'npx',
  args: ['-y', 'sandbox-mcp'],
  env: { ...process.env, SANDBOX_USER: 'alice' },
})
const client = new Client({ name: 'example', version: '1.0.0' })
await client.connect(transport)

/** Calls a tool. The first call of all may build the image of the sandbox, so progress resets the clock. */
const call = (name, args) =>
  client.callTool({ name, arguments: args }, undefined, {
    onprogress: ({ message }) => console.error(message),
    resetTimeoutOnProgress: true,
  })

await call('write_file', {
  path: 'primes.py',
  content: 'print([n for n in range(2, 30) if all(n % d for d in range(2, n))])\n',
})
const { structuredContent } = await call('shell_exec', { command: 'python3 primes.py' })
console.log(`exit ${structuredContent.exit_code}: ${structuredContent.stdout}`)

// A server inside the sandbox, in the background, until it listens.
const { structuredContent: started } = await call('shell_exec', { command: 'python3 -m http.server 8000', wait_s: 0 })
await call('process_read', { process_id: started.process_id, until: 'port:8000', wait_s: 20 })
const answer = await call('run_code', {
  language: 'python',
  code: 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8000/primes.py").status)',
})
console.log(`its answer: ${answer.structuredContent.stdout}`)
await call('process_write', { process_id: started.process_id, signal: 'term' })

await client.close()
