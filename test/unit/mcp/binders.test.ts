import { InMemoryTransport as V2InMemoryTransport } from '@modelcontextprotocol/client'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { serveStdio as serveModern } from '@modelcontextprotocol/server/stdio'
import { afterEach, describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { bindV1 } from '../../../src/mcp/bind-v1.ts'
import { bindV2 } from '../../../src/mcp/bind-v2.ts'
import type { ResourceProvider } from '../../../src/mcp/resources.ts'
import { TOOLS } from '../../../src/tools/index.ts'
import { entryOf } from '../../helpers/fake-supervisor.ts'
import { FakeProvider } from '../../helpers/fake-provider.ts'
import { connectLegacy, connectModern, type Era, type McpClient } from '../../helpers/mcp-client.ts'
import { testService } from '../../helpers/test-service.ts'

const open: McpClient[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close()))
})

const CALLER = { user: 'alice', transport: 'stdio' } as const

/** A client of the SDK, connected in memory to the service as the era's binder gives it. */
async function connect(era: Era, provider = new FakeProvider(), resources: readonly ResourceProvider[] = []) {
  const { service, lines, connected } = testService(provider, resources)
  const client = await (era === 'legacy' ? legacy() : modern())
  open.push(client)
  return { client, provider, lines, connected }

  async function legacy(): Promise<McpClient> {
    const [ours, theirs] = InMemoryTransport.createLinkedPair()
    await (await bindV1(service, CALLER)).connect(theirs)
    return connectLegacy(ours)
  }
  function modern(): Promise<McpClient> {
    const [ours, theirs] = V2InMemoryTransport.createLinkedPair()
    serveModern(() => bindV2(service, CALLER), { legacy: 'reject', transport: theirs })
    return connectModern(ours)
  }
}

/** What the protocol calls a resource that is not there. */
const MISSING: Readonly<Record<Era, number>> = { legacy: -32_002, modern: -32_602 }

/** A family of one resource. */
const NOTES: ResourceProvider = {
  templates: [{ uriTemplate: 'notes:///{name}', name: 'notes' }],
  list: () => Promise.resolve([{ uri: 'notes:///a', name: 'a', size: 3 }]),
  read(_caller, uri) {
    if (!uri.startsWith('notes:')) return Promise.resolve(undefined)
    if (uri === 'notes:///a') return Promise.resolve([{ uri, mimeType: 'image/png', blob: 'AAAA' }])
    if (uri === 'notes:///bug') return Promise.reject(new TypeError('a bug in /srv/app'))
    return Promise.reject(new SandboxError('not_found', 'No such note.'))
  },
  complete: (_caller, { variable, value }) =>
    Promise.resolve(Array.from({ length: 150 }, (_, at) => `${variable}:${value}${at}`)),
}

test('that a client has begun a session is told once, with its user', async () => {
  const { client, connected } = await connect('legacy')
  await client.listTools()
  expect(connected).toEqual(['alice'])
})

describe.each(['legacy', 'modern'] as const)('to a client of the %s era the service', (era) => {
  test('says who it is and offers tools and one resource', async () => {
    const { client } = await connect(era)
    expect(client.serverVersion).toMatchObject({ name: 'sandbox-mcp', version: '1.2.3' })
    expect(client.instructions).toBe('Be careful.')
    expect(client.capabilities).toEqual({ tools: {}, resources: {} })
  })

  test('tells of the runtime in its resource, and starts no sandbox for it', async () => {
    const { client, provider } = await connect(era)
    expect(await client.listResources()).toMatchObject([{ uri: 'sandbox://runtime', mimeType: 'application/json' }])
    const [content] = await client.readResource('sandbox://runtime')
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
    await expect(client.readResource('sandbox://other')).rejects.toMatchObject({ code: MISSING[era] })
    expect(provider.acquired).toEqual([])
  })

  test('no sandbox is started by connecting and listing', async () => {
    const { client, provider } = await connect(era)
    expect(await client.listTools()).toHaveLength(TOOLS.length)
    expect(provider.acquired).toEqual([])
  })

  test('an unknown tool is a protocol error that names the known ones', async () => {
    const { client } = await connect(era)
    await expect(client.callTool('rm_rf', {})).rejects.toMatchObject({
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
    const { client } = await connect(era, provider)
    const result = await client.callTool(name, args)
    expect(result.isError).toBeUndefined()
    const isStructured = name !== 'read_file'
    const notice = (result.structuredContent as { notice?: string } | undefined)?.notice
    expect(result.content).toHaveLength(isStructured ? 2 : 1)
    expect(notice).toBe(isStructured ? 'sandbox created' : undefined)
    expect(era === 'legacy' && '_meta' in result).toBe(false)
  })

  test('a failure of the tool is a result that the model can read', async () => {
    const { client } = await connect(era)
    expect(await client.callTool('read_file', { path: 'nope' })).toMatchObject({
      content: [{ type: 'text', text: 'not_found: nope does not exist. Check the name with list_files.' }],
      isError: true,
    })
    expect(await client.callTool('shell_exec', { wait_s: 'x' })).toMatchObject({ isError: true })
  })

  test('a call with a progress token gets a beat at once', async () => {
    const provider = new FakeProvider()
    const started = deferred<void>()
    provider.before = () => started.promise
    const { client } = await connect(era, provider)
    const beats: { progress: number; message?: string | undefined }[] = []
    const result = client.callTool(
      'shell_exec',
      { command: 'true' },
      {
        onprogress(beat) {
          beats.push(beat)
          started.resolve()
        },
      },
    )
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
    const { client } = await connect(era, provider)
    const controller = new AbortController()
    const result = client.callTool(
      'shell_exec',
      { command: 'sleep 99' },
      {
        signal: controller.signal,
      },
    )
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
    const { client, lines } = await connect(era, provider)
    await client.callTool('list_files', {})
    expect(lines.find(({ level }) => level === 'error')?.fields).toMatchObject({
      user: 'alice',
      client: 'test 9',
      tool: 'list_files',
    })
  })

  test('lists, reads and completes the resources of every provider', async () => {
    const { client } = await connect(era, new FakeProvider(), [NOTES])
    expect(client.capabilities).toMatchObject({ completions: {} })
    expect((await client.listResources()).map(({ uri }) => uri)).toEqual(['sandbox://runtime', 'notes:///a'])
    expect(await client.listResourceTemplates()).toMatchObject(NOTES.templates)
    expect(await client.readResource('notes:///a')).toEqual([
      { uri: 'notes:///a', mimeType: 'image/png', blob: 'AAAA' },
    ])
    const values = await client.complete('notes:///{name}', 'name', 'x')
    expect(values).toHaveLength(100)
    expect(values[0]).toBe('name:x0')
    expect(await client.complete('other:///{name}', 'name', 'x')).toEqual([])
  })

  test('tells why a resource cannot be read, and nothing of a fault of its own', async () => {
    const { client, lines } = await connect(era, new FakeProvider(), [NOTES])
    await expect(client.readResource('notes:///b')).rejects.toMatchObject({
      code: MISSING[era],
      message: expect.stringContaining('not_found: No such note.'),
    })
    const failed = client.readResource('notes:///bug')
    await expect(failed).rejects.toMatchObject({
      code: -32_603,
      message: expect.stringMatching(/internal: .*incident/),
    })
    await expect(failed).rejects.not.toMatchObject({ message: expect.stringContaining('/srv/app') })
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(1)
  })

  test('a call that is over is not cancelled by the end of its connection', async () => {
    const provider = new FakeProvider()
    let signal: AbortSignal | undefined
    provider.before = (options) => void (signal = options.signal)
    const { client } = await connect(era, provider)
    await client.callTool('shell_exec', { command: 'sleep 99', wait_s: 0 })
    await client.close()
    expect(signal?.aborted).toBe(false)
  })
})
