import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { INTEROP } from '../helpers/interop-packages.ts'
import { useInstallation } from '../helpers/installation.ts'
import { hostEnvironment, ROOT } from '../helpers/start-server.ts'

const installation = useInstallation()

/** What is used of the SDK's second generation, whose types are there only once it is installed. */
interface V2Client {
  connect(transport: unknown): Promise<void>
  listTools(): Promise<{ tools: { name: string }[] }>
  callTool(
    params: { name: string; arguments: Record<string, unknown> },
    options?: { signal?: AbortSignal; onprogress?: (progress: { progress: number }) => void },
  ): Promise<{ isError?: boolean; content: { text?: string }[]; structuredContent?: Record<string, unknown> }>
  close(): Promise<void>
}
type V2Module = { readonly Client: new (info: object, options: object) => V2Client }
type StdioModule = { readonly StdioClientTransport: new (options: object) => unknown }

async function load<Module>(file: string): Promise<Module> {
  const url = pathToFileURL(join(INTEROP, 'node_modules/@modelcontextprotocol/client/dist', file))
  return (await import(url.href)) as Module
}

async function connected(user: string, options: object): Promise<V2Client> {
  const { Client } = await load<V2Module>('index.mjs')
  const { StdioClientTransport } = await load<StdioModule>('stdio.mjs')
  const client = new Client({ name: 'v2', version: '1.0.0' }, options)
  const env = { ...hostEnvironment(), SANDBOX_USER: user, SANDBOX_INSTALLATION: installation.name }
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: ['dist/cli.js', 'serve'],
      env,
      cwd: ROOT,
      stderr: 'ignore',
    }),
  )
  return client
}

describe.skipIf(inject('interopMissing') !== '')('a client of the SDK’s second generation', () => {
  test.each([
    ['by default', {}],
    ['with automatic version negotiation', { versionNegotiation: { mode: 'auto' } }],
  ])('%s lists and calls every tool', async (_name, options) => {
    const client = await connected(installation.newUser(), options)
    const { tools } = await client.listTools()
    const called = new Set<string>()
    const call = async (name: string, args: Record<string, unknown>, isError = false) => {
      called.add(name)
      const result = await client.callTool({ name, arguments: args })
      expect(result.isError ?? false, result.content[0]?.text).toBe(isError)
      return result
    }
    await call('write_file', { path: 'a.txt', content: 'written\n' })
    await call('upload', { path: 'b.txt', content: 'dXBsb2FkZWQK', encoding: 'base64' })
    expect((await call('list_files', {})).structuredContent).toMatchObject({ total: 2 })
    expect((await call('read_file', { path: 'b.txt' })).content[0]?.text).toContain('uploaded')
    const { structuredContent } = await call('shell_exec', { command: 'cat', wait_s: 0 })
    const id = structuredContent?.['process_id']
    await call('process_write', { process_id: id, input: 'echoed\n', close_stdin: true })
    const read = await call('process_read', { process_id: id, until: 'echoed', wait_s: 20 })
    expect(read.structuredContent).toMatchObject({ until_met: true })
    await call('edit_file', { path: 'a.txt', edits: [{ old: 'written', new: 'edited' }] })
    expect((await call('search_files', { pattern: 'edited' })).content[0]?.text).toContain('a.txt')
    expect((await call('run_code', { language: 'python', code: 'print(6 * 7)' })).content[0]?.text).toContain('42')
    expect((await call('check_syntax', { language: 'python', code: 'def' })).structuredContent).toMatchObject({
      valid: false,
    })
    const refused = await call('install_packages', { packages: ['six'] }, true)
    expect(refused.content[0]?.text).toContain('network_disabled')
    await call('sandbox_info', {})
    await call('sandbox_manage', { action: 'restart' })
    expect([...called].toSorted()).toEqual(tools.map(({ name }) => name).toSorted())
    await client.close()
  })

  test('gets progress, and its cancel ends the command', async () => {
    const client = await connected(installation.newUser(), {})
    await client.callTool({ name: 'shell_exec', arguments: { command: 'true' } })
    const controller = new AbortController()
    const beats: number[] = []
    const call = client.callTool(
      { name: 'shell_exec', arguments: { command: 'sleep 3600' } },
      {
        signal: controller.signal,
        onprogress: ({ progress }) => {
          beats.push(progress)
          controller.abort()
        },
      },
    )
    await expect(call).rejects.toThrow(/abort/i)
    expect(beats).toEqual([1])
    const running = async () => {
      const { structuredContent } = await client.callTool({ name: 'process_read', arguments: {} })
      const processes = structuredContent?.['processes'] as { status: string }[]
      return processes.filter(({ status }) => status === 'running')
    }
    await expect.poll(running, { timeout: 20_000 }).toEqual([])
    await client.close()
  })
})
