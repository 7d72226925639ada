import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { png } from '../helpers/png.ts'
import { useDeployment } from './deployment.ts'
import { connectionOf, connectLangChain, textOf, type Tool } from './langchain-client.ts'
import { load } from './packages/load.ts'
import { transportsOf } from './matrix.ts'

const deployment = useDeployment()

interface FakeModel {
  respondWithTools(calls: readonly { name: string; args: object; id: string }[]): FakeModel
  respond(answer: unknown): FakeModel
  readonly calls: readonly { readonly messages: readonly { readonly content: unknown }[] }[]
}
interface LangChain {
  readonly fakeModel: () => FakeModel
  readonly AIMessage: new (text: string) => unknown
  readonly createAgent: (options: { model: FakeModel; tools: readonly Tool[] }) => {
    invoke(input: { messages: readonly { role: string; content: string }[] }): Promise<unknown>
  }
}

describe.skipIf(inject('interopMissing') !== '')('LangChain for JavaScript', () => {
  test.each(transportsOf('langChain', 'one session'))('calls tools over %s in one session', async (transport) => {
    const person = deployment.newPerson()
    await using client = await connectLangChain(connectionOf[transport](person))
    expect(client.tools.map(({ name }) => name)).toContain('shell_exec')
    const readOnly = client.tools.filter(({ metadata }) => metadata?.annotations?.readOnlyHint)
    expect(readOnly.map(({ name }) => name)).toContain('read_file')

    await client.call('write_file', { path: 'note.txt', content: 'from LangChain\n' })
    const ran = await client.call('shell_exec', { command: 'cat note.txt; exit 3' })
    // The model gets the two texts as they are; what is structured is for the program.
    expect(ran.content).toEqual([
      expect.objectContaining({ type: 'text', text: 'from LangChain' }),
      expect.objectContaining({ type: 'text', text: expect.stringContaining('exit 3') as string }),
    ])
    expect(JSON.stringify(ran.artifact)).toContain('"exit_code":3')
    await expect(client.call('read_file', { path: 'nothing' })).rejects.toThrow(/not_found: nothing does not exist/)
    expect(await deployment.containers(person)).toHaveLength(1)
  })

  test.each(transportsOf('langChain', 'a session for each call'))(
    'has one sandbox over %s when each call opens a session',
    async (transport) => {
      const person = deployment.newPerson()
      const { headers } = person.http
      // Headers that a hook returns make a connection of their own, as in a program that calls for many users.
      const hooks = { beforeToolCall: () => ({ headers }) }
      const requests = vi.spyOn(globalThis, 'fetch')
      onTestFinished(() => requests.mockRestore())
      await using client = await connectLangChain(connectionOf[transport](person), hooks)
      await client.call('write_file', { path: 'counter', content: '1\n' })
      await client.call('shell_exec', { command: 'echo 2 >> counter' })
      await client.call('shell_exec', { command: 'echo 3 >> counter' })
      expect(textOf(await client.call('shell_exec', { command: 'cat counter' }))).toContain('1\n2\n3')
      const opened = requests.mock.calls.filter(
        ([, init]) => typeof init?.body === 'string' && init.body.includes('"method":"initialize"'),
      )
      expect(opened).toHaveLength(5)
      expect(await deployment.containers(person)).toHaveLength(1)
    },
  )

  test('shows a model an image as an image', async () => {
    const person = deployment.newPerson()
    await using client = await connectLangChain(connectionOf.http(person))
    const content = png(2, 2).toString('base64')
    await client.call('write_file', { path: 'red.png', content, encoding: 'base64' })
    const seen = await client.call('read_file', { path: 'red.png' })
    expect(seen.content).toEqual([
      expect.objectContaining({ type: 'text', text: expect.stringContaining('2 × 2 px PNG') as string }),
      expect.objectContaining({ type: 'image', source_type: 'base64', mime_type: 'image/png', data: content }),
    ])
  })

  test('drives an agent: the model calls, reads what came, and ends', async () => {
    const person = deployment.newPerson()
    const { createAgent, fakeModel, AIMessage } = await load<LangChain>('langchain')
    await using client = await connectLangChain(connectionOf.http(person))
    const model = fakeModel()
      .respondWithTools([{ id: '1', name: 'write_file', args: { path: 'sum.py', content: 'print(6 * 7)\n' } }])
      .respondWithTools([
        { id: '2', name: 'run_code', args: { language: 'python', path: 'sum.py' } },
        { id: '3', name: 'read_file', args: { path: 'nothing' } },
      ])
      .respond(new AIMessage('It is 42.'))
    const agent = createAgent({ model, tools: client.tools })
    await agent.invoke({ messages: [{ role: 'user', content: 'What is six times seven?' }] })
    // What the model was shown before its last turn: a result, and an error that it can act on.
    const shown = model.calls
      .at(-1)
      ?.messages.map(({ content }) => JSON.stringify(content))
      .join('\n')
    expect(shown).toMatch(/"text":"42"/)
    expect(shown).toContain('not_found: nothing does not exist. Check the name with list_files.')
  })
})
