import { describe, expect, test } from 'vitest'
import { useDeployment } from './deployment.ts'
import { legsOf, MODERN } from './matrix.ts'
import { connectV2 } from './v2-client.ts'

const deployment = useDeployment()
const LEGS = legsOf('sdkV2')

describe('a client of the SDK’s second generation', () => {
  test.each(LEGS)('lists and calls every tool over %s, mode %s: %s', async (transport, mode, revision) => {
    const person = deployment.newPerson()
    await using client = await connectV2(person, transport, mode)
    expect(client.getNegotiatedProtocolVersion()).toBe(revision)
    const { tools } = await client.listTools()
    const called = new Set<string>()
    const call = async (name: string, args: Record<string, unknown>, isError = false) => {
      called.add(name)
      const { content, structuredContent, ...result } = await client.callTool({ name, arguments: args })
      const text = content.map((block) => (block.type === 'text' ? block.text : block.type)).join('\n')
      expect(result.isError ?? false, text).toBe(isError)
      return { text, structured: structuredContent as Record<string, unknown> | undefined }
    }
    await call('write_file', { path: 'a.txt', content: 'written\n' })
    await call('upload', { path: 'b.txt', content: 'dXBsb2FkZWQK', encoding: 'base64' })
    expect((await call('list_files', {})).structured).toMatchObject({ total: 2 })
    expect((await call('read_file', { path: 'b.txt' })).text).toContain('uploaded')
    const { structured } = await call('shell_exec', { command: 'cat', wait_s: 0 })
    const id = structured?.['process_id']
    await call('process_write', { process_id: id, input: 'echoed\n', close_stdin: true })
    const read = await call('process_read', { process_id: id, until: 'echoed', wait_s: 20 })
    expect(read.structured).toMatchObject({ until_met: true })
    await call('edit_file', { path: 'a.txt', edits: [{ old: 'written', new: 'edited' }] })
    expect((await call('search_files', { pattern: 'edited' })).text).toContain('a.txt')
    expect((await call('run_code', { language: 'python', code: 'print(6 * 7)' })).text).toContain('42')
    const checked = await call('check_syntax', { language: 'python', code: 'def' })
    expect(checked.structured).toMatchObject({ valid: false })
    const refused = await call('install_packages', { packages: ['six'] }, true)
    expect(refused.text).toContain('network_disabled')
    // Over stdio it goes to a directory of the host, and none is configured.
    const got = await call('download', { path: 'a.txt' }, transport === 'stdio')
    expect(got.text).toMatch(transport === 'stdio' ? /host-dir/ : /http:\/\/127\.0\.0\.1:/)
    await call('sandbox_info', {})
    await call('sandbox_manage', { action: 'restart' })
    expect([...called].toSorted()).toEqual(tools.map(({ name }) => name).toSorted())
    expect(await deployment.containers(person)).toHaveLength(1)
  })

  test.each(LEGS)('gets progress over %s, mode %s, and its cancel ends the command', async (transport, mode) => {
    await using client = await connectV2(deployment.newPerson(), transport, mode)
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
      const { processes } = structuredContent as { processes: { status: string }[] }
      return processes.filter(({ status }) => status === 'running')
    }
    await expect.poll(running, { timeout: 20_000 }).toEqual([])
  })

  test('that insists on the revision without a handshake is refused by the older HTTP+SSE', async () => {
    const person = deployment.newPerson()
    await expect(connectV2(person, 'sse', MODERN)).rejects.toThrow('did not offer pinned protocol version')
  })
})
