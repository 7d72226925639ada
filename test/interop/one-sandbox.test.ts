import { describe, expect, inject, test } from 'vitest'
import { useDeployment } from './deployment.ts'
import { connectionOf, connectLangChain } from './langchain-client.ts'
import { connectV2 } from './v2-client.ts'

const deployment = useDeployment()

describe.skipIf(inject('interopMissing') !== '')('one user', () => {
  test('reaches one sandbox from LangChain with a session for each call, two processes over stdio, and an SSE client, all at once', async () => {
    const person = deployment.newPerson()
    const { headers } = person.http
    await using langchain = await connectLangChain(connectionOf.http(person), { beforeToolCall: () => ({ headers }) })
    await using one = await connectV2(person, 'stdio', 'default')
    await using other = await connectV2(person, 'stdio', 'auto')
    await using sse = await connectV2(person, 'sse', 'default')

    const run = async (client: typeof one, command: string) => {
      const { structuredContent } = await client.callTool({ name: 'shell_exec', arguments: { command } })
      return (structuredContent as { stdout: string }).stdout
    }
    // Nobody waits for another: whoever is first makes the sandbox.
    const write = (name: string) => `echo ${name} > ${name}`
    await Promise.all([
      langchain.call('shell_exec', { command: write('langchain-1') }),
      langchain.call('shell_exec', { command: write('langchain-2') }),
      run(one, write('stdio-1')),
      run(other, write('stdio-2')),
      run(sse, write('sse')),
    ])
    const files = ['langchain-1', 'langchain-2', 'sse', 'stdio-1', 'stdio-2']
    for (const client of [one, other, sse]) {
      expect((await run(client, 'ls')).split('\n').filter((line) => line !== '')).toEqual(files)
    }
    const listed = await langchain.call('list_files', {})
    for (const file of files) expect(JSON.stringify(listed.content)).toContain(file)
    expect(await deployment.containers(person)).toHaveLength(1)
  })
})
