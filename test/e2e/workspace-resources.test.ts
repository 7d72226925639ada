import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { connectLegacy, connectModern, type Era, type McpClient } from '../helpers/mcp-client.ts'
import { TestServer } from '../helpers/start-server.ts'

const installation = useInstallation()

interface Connected extends AsyncDisposable {
  readonly client: McpClient
  readonly user: string
}

/** A server process and a client of the era connected to it. */
async function connect(era: Era, user = installation.newUser()): Promise<Connected> {
  const server = new TestServer({ installation: installation.name, user })
  const client = await (era === 'legacy' ? connectLegacy(server.transport()) : connectModern(server.transport()))
  return { client, user, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

const namesIn = async (client: McpClient) => (await client.listResources()).map(({ name }) => name)
const completions = (client: McpClient, value: string) => client.complete('sandbox:///workspace/{+path}', 'path', value)

/** What the protocol calls a resource that is not there. */
const MISSING: Readonly<Record<Era, number>> = { legacy: -32_002, modern: -32_602 }

describe.each(['legacy', 'modern'] as const)('to a client of the %s era the workspace', (era) => {
  test('is empty while there is no sandbox, and no request of its resources makes one', async () => {
    await using connected = await connect(era)
    const { client, user } = connected
    expect(await namesIn(client)).toEqual(['runtime'])
    expect(await client.listResourceTemplates()).toMatchObject([{ uriTemplate: 'sandbox:///workspace/{+path}' }])
    expect(await completions(client, '')).toEqual([])
    await expect(client.readResource('sandbox:///workspace/a')).rejects.toMatchObject({ code: MISSING[era] })
    expect(await installation.containers(user)).toEqual([])
    expect(await installation.volumes(user)).toEqual([])
  })

  test('gives its files with whatever names they have, as text or bytes, newest first', async () => {
    await using connected = await connect(era)
    const { client } = connected
    const script = String.raw`
      mkdir -p src .git node_modules/x && cd src
      printf 'print(1)\n' > main.py && printf '\211PNG\r\n\032\n' > 'a b?#%41.png'
      printf 'x' > "$(printf 'new\nline\033[31m')" && printf 'x' > "$(printf 'bad\377')"
      printf 'x' > ../.hidden && printf 'x' > ../node_modules/x/index.js && printf 'x' > ../.git/HEAD
      head -c 70000 /dev/zero > ../large && ln -s /etc/passwd ../link && mkfifo ../pipe
      touch -d '2030-01-01' main.py`
    await client.callTool('shell_exec', { command: script })
    const listed = (await client.listResources()).filter(({ uri }) => uri.startsWith('sandbox:///workspace/'))
    expect(listed[0]).toEqual({ uri: 'sandbox:///workspace/src/main.py', name: 'src/main.py', size: 9 })
    expect(listed.map(({ name }) => name).sort()).toEqual(['src/a b?#%41.png', 'src/main.py', 'src/new\\nline'])
    const contents = await Promise.all(listed.map(({ uri }) => client.readResource(uri)))
    expect(contents.flat()).toHaveLength(3)
    expect(await client.readResource('sandbox:///workspace/src/main.py')).toEqual([
      { uri: 'sandbox:///workspace/src/main.py', mimeType: 'text/plain', text: 'print(1)\n' },
    ])
    const image = 'sandbox:///workspace/src/a%20b%3F%23%2541.png'
    expect(await client.readResource(image)).toEqual([
      { uri: image, mimeType: 'image/png', blob: Buffer.from('\x89PNG\r\n\x1a\n', 'latin1').toString('base64') },
    ])
    expect(await completions(client, 'src/m')).toEqual(['src/main.py'])
    expect(await completions(client, '.')).toEqual(['.git/', '.hidden'])
  })

  test('refuses what is missing, no file, or too large by what it is, and reads no pipe', async () => {
    await using connected = await connect(era)
    const { client } = connected
    await client.callTool('shell_exec', { command: 'mkdir dir; mkfifo pipe; head -c 800000 /dev/zero > large' })
    const read = (name: string) => client.readResource(`sandbox:///workspace/${name}`)
    await expect(read('gone')).rejects.toMatchObject({ code: MISSING[era], message: expect.stringContaining('gone') })
    await expect(read('dir')).rejects.toThrow(/is_directory/)
    await expect(read('pipe')).rejects.toThrow(/not_a_file/)
    await expect(read('large')).rejects.toThrow(/too_large: large is larger than 786432 bytes/)
    await expect(read('../etc/passwd')).rejects.toMatchObject({ code: MISSING[era] })
  })
})

test('a listing leaves a sleeping sandbox asleep; reading a file of it wakes it', async () => {
  await using connected = await connect('legacy')
  const { client, user } = connected
  await client.callTool('write_file', { path: 'kept.txt', content: 'kept' })
  const [container] = await installation.containers(user)
  await installation.engine.containers.remove(container?.id ?? '')
  expect(await namesIn(client)).toEqual(['runtime'])
  expect(await completions(client, '')).toEqual([])
  expect(await installation.containers(user)).toEqual([])
  expect(await client.readResource('sandbox:///workspace/kept.txt')).toMatchObject([{ text: 'kept' }])
  expect(await installation.containers(user)).toHaveLength(1)
  expect(await namesIn(client)).toEqual(['runtime', 'kept.txt'])
})

test('another server sees the files of a sandbox that runs, and without the engine only that there are none', async () => {
  await using one = await connect('legacy')
  await one.client.callTool('write_file', { path: 'shared.txt', content: 'x' })
  await using other = await connect('modern', one.user)
  expect(await namesIn(other.client)).toEqual(['runtime', 'shared.txt'])
  await using server = new TestServer({ user: one.user, env: { DOCKER_HOST: 'unix:///run/no-such-engine.sock' } })
  expect(await namesIn(await connectLegacy(server.transport()))).toEqual(['runtime'])
})
