import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { type Progress } from '@modelcontextprotocol/sdk/types.js'
import { afterEach, describe, expect, test } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { noTelemetry } from '../../../src/lib/telemetry.ts'
import { toolDefinitions } from '../../../src/mcp/definitions.ts'
import { buildServer } from '../../../src/mcp/server.ts'
import { TOOLS } from '../../../src/tools/index.ts'
import { roomyAdmission } from '../../helpers/admission.ts'
import { entryOf } from '../../helpers/fake-supervisor.ts'
import { FakeProvider } from '../../helpers/fake-provider.ts'
import { TEST_RUNTIME } from '../../helpers/runtime-info.ts'
import { recordingLogger } from '../../helpers/recording-logger.ts'

const open: Client[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close()))
})

/** A real client of the SDK, connected in memory. It checks every structured result against the tool's output schema. */
async function connect(provider = new FakeProvider()) {
  const { logger, lines } = recordingLogger()
  const server = buildServer({
    provider,
    admission: roomyAdmission(),
    telemetry: noTelemetry,
    logger,
    tools: TOOLS,
    definitions: toolDefinitions(TOOLS, 'none'),
    instructions: 'Be careful.',
    runtime: () => Promise.resolve(TEST_RUNTIME),
    version: '1.2.3',
    caller: { user: 'alice', transport: 'stdio' },
  })
  const client = new Client({ name: 'test', version: '9' })
  const [ours, theirs] = InMemoryTransport.createLinkedPair()
  await Promise.all([server.connect(ours), client.connect(theirs)])
  await client.listTools()
  open.push(client)
  return { client, provider, lines }
}

describe('the MCP server', () => {
  test('says who it is and offers tools and one resource', async () => {
    const { client } = await connect()
    expect(client.getServerVersion()).toMatchObject({ name: 'sandbox-mcp', version: '1.2.3' })
    expect(client.getInstructions()).toBe('Be careful.')
    expect(client.getServerCapabilities()).toEqual({ tools: {}, resources: {} })
  })

  test('tells of the runtime in its resource, and starts no sandbox for it', async () => {
    const { client, provider } = await connect()
    const { resources } = await client.listResources()
    expect(resources).toMatchObject([{ uri: 'sandbox://runtime', mimeType: 'application/json' }])
    const [content] = (await client.readResource({ uri: 'sandbox://runtime' })).contents
    expect(JSON.parse((content as { text: string }).text)).toMatchObject({
      name: 'python-minimal',
      working_directory: '/workspace',
      programs: { python3: '3.11.2' },
      packages: { pip: { numpy: '2.1.0' } },
      install_packages: { default_manager: 'pip', can_download: false },
      limits: { memory_bytes: 512 * 1024 ** 2, command_timeout_s: 3600 },
      network: 'none',
      other_runtimes: ['polyglot'],
    })
    await expect(client.readResource({ uri: 'sandbox://other' })).rejects.toMatchObject({ code: -32_002 })
    expect(provider.acquired).toEqual([])
  })

  test('no sandbox is started by connecting and listing', async () => {
    const { client, provider } = await connect()
    await client.ping()
    expect((await client.listTools()).tools).toHaveLength(TOOLS.length)
    expect(provider.acquired).toEqual([])
  })

  test('an unknown tool is a protocol error that names the known ones', async () => {
    const { client } = await connect()
    await expect(client.callTool({ name: 'rm_rf', arguments: {} })).rejects.toMatchObject({
      code: -32602,
      message: expect.stringContaining('Unknown tool rm_rf: there are shell_exec, process_read'),
    })
  })

  test.each([
    ['shell_exec', { command: 'true' }],
    ['process_read', {}],
    ['process_read', { process_id: 'abc-1', until: 'x' }],
    ['process_write', { process_id: 'abc-1', input: 'x' }],
    ['process_write', { process_id: 'abc-1', signal: 'term' }],
    ['read_file', { path: 'a' }],
    ['write_file', { path: 'b', content: 'x' }],
    ['edit_file', { path: 'a', edits: [{ old: 'x', new: 'y' }] }],
    ['list_files', {}],
    ['search_files', { pattern: 'x' }],
    ['check_syntax', { language: 'json', code: '[1,]' }],
    ['sandbox_info', {}],
    ['upload', { path: 'c', content: 'x' }],
  ])('a result of %s %j matches its output schema, also with a notice', async (name, args) => {
    const provider = new FakeProvider()
    provider.notice = 'created'
    const fake = provider.supervisor('alice')
    fake.put('a', 'x')
    fake.entries = { total: 1, capped: true, more: true, entries: [entryOf('l', { type: 'symlink', folded: 2 })] }
    fake.script({
      id: 'abc-1',
      status: 'running',
      exitCode: undefined,
      leftRunning: true,
      stdoutSpooled: true,
      stderrSpooled: true,
    })
    const { client } = await connect(provider)
    const result = await client.callTool({ name, arguments: args })
    expect(result.isError).toBeUndefined()
    const isStructured = name !== 'read_file'
    const notice = (result.structuredContent as { notice?: string } | undefined)?.notice
    expect(result.content).toHaveLength(isStructured ? 2 : 1)
    expect(notice).toBe(isStructured ? 'sandbox created' : undefined)
    expect(result).not.toHaveProperty('_meta')
  })

  test('a failure of the tool is a result that the model can read', async () => {
    const { client } = await connect()
    expect(await client.callTool({ name: 'read_file', arguments: { path: 'nope' } })).toEqual({
      content: [{ type: 'text', text: 'not_found: nope does not exist. Check the name with list_files.' }],
      isError: true,
    })
    expect(await client.callTool({ name: 'shell_exec', arguments: { wait_s: 'x' } })).toMatchObject({ isError: true })
  })

  test('a call with a progress token gets a beat at once', async () => {
    const provider = new FakeProvider()
    const started = deferred<void>()
    provider.before = () => started.promise
    const { client } = await connect(provider)
    const beats: Progress[] = []
    const result = client.callTool({ name: 'shell_exec', arguments: { command: 'true' } }, undefined, {
      onprogress(beat) {
        beats.push(beat)
        started.resolve()
      },
    })
    expect((await result).isError).toBeUndefined()
    expect(beats[0]).toMatchObject({ progress: 1, message: expect.stringMatching(/ ms$/) })
  })

  test('a cancelled request ends its command and gives the lease back', async () => {
    const provider = new FakeProvider()
    const fake = provider.supervisor('alice')
    const running = deferred<void>()
    const cancelled = deferred<void>()
    const start = fake.start.bind(fake)
    fake.start = async (request) => {
      running.resolve()
      await cancelled.promise
      return start(request)
    }
    fake.cancel = () => {
      cancelled.resolve()
      return Promise.resolve()
    }
    const { client } = await connect(provider)
    const controller = new AbortController()
    const result = client.callTool({ name: 'shell_exec', arguments: { command: 'sleep 99' } }, undefined, {
      signal: controller.signal,
    })
    await running.promise
    expect(provider.held).toBe(1)
    controller.abort('enough')
    await expect(result).rejects.toThrow('enough')
    await cancelled.promise
    await expect.poll(() => provider.held).toBe(0)
  })

  test('the log names the client, as it calls itself', async () => {
    const provider = new FakeProvider()
    provider.before = () => {
      throw new TypeError('a bug')
    }
    const { client, lines } = await connect(provider)
    await client.callTool({ name: 'list_files', arguments: {} })
    expect(lines.find(({ level }) => level === 'error')?.fields).toMatchObject({
      user: 'alice',
      client: 'test 9',
      tool: 'list_files',
    })
  })
})
