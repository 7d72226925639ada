import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { failureOf } from '../helpers/failure.ts'
import { useInstallation } from '../helpers/installation.ts'
import { LEGS, openLeg, startForUsers } from '../helpers/legs.ts'
import { midCommand, runningCommands, startInBackground } from '../helpers/processes.ts'
import { png } from '../helpers/png.ts'
import type { TestHttpServer } from '../helpers/start-http-server.ts'
import type { ConnectedCaller } from '../helpers/tool-caller.ts'

const installation = useInstallation()

let http: TestHttpServer

beforeAll(async () => {
  http = await startForUsers(installation.name)
})
afterAll(() => http[Symbol.asyncDispose]())

describe.each(LEGS)('over %s', (leg) => {
  const user = installation.newUser()
  let server: ConnectedCaller

  beforeAll(async () => {
    server = await openLeg(leg, { installation: installation.name, user, address: http.address })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  test('a client that only connects and lists starts no sandbox', async () => {
    const { client } = server
    expect(client.serverVersion).toMatchObject({ name: 'sandbox-mcp' })
    expect(client.instructions).toContain('A private Linux sandbox')
    expect((await client.listTools()).map(({ name }) => name)).toContain('shell_exec')
    expect(await client.listResources()).toHaveLength(1)
    expect(await installation.containers(user)).toEqual([])
    expect(await installation.volumes(user)).toEqual([])
  })

  test('commands tell how they ended, with both channels whole', async () => {
    const { structured, text, footer } = await server.call('shell_exec', { command: 'echo out; echo err >&2; exit 3' })
    expect(structured).toMatchObject({ status: 'exited', exit_code: 3, stdout: 'out\n', stderr: 'err\n' })
    expect(text).toContain('out')
    expect(footer).toMatch(/^\[exit 3 · /)
  })

  test('files are written, edited, listed and read back byte for byte', async () => {
    const content = 'größe\n🙂 \u2028\n'
    await server.call('write_file', { path: 'a.txt', content })
    await server.call('edit_file', { path: 'a.txt', edits: [{ old: 'größe', new: 'maß' }] })
    expect(await server.output('sha256sum < a.txt; printf "maß\\n🙂 \u2028\\n" | sha256sum')).toMatch(
      /^(\S+)  -\n\1  -$/,
    )
    const { structured } = await server.call('list_files', {})
    expect(structured.entries.map(({ path }: { path: string }) => path)).toEqual(['a.txt'])
    expect((await server.call('read_file', { path: 'a.txt' })).text).toContain('maß')
  })

  test('an image comes as an image', async () => {
    await server.call('upload', { path: 'a.png', content: png(4, 4).toString('base64'), encoding: 'base64' })
    const { result } = await server.call('read_file', { path: 'a.png' })
    expect(result.content).toContainEqual({ type: 'image', mimeType: 'image/png', data: expect.any(String) })
    expect(result.structuredContent).toBeUndefined()
  })

  test('a result of a megabyte of text comes whole, and a write of several as well', async () => {
    const content = 'x'.repeat(3 * 1024 ** 2)
    await server.call('write_file', { path: 'large.txt', content })
    expect(await server.output('wc -c < large.txt')).toBe(String(content.length))
  })

  test('processes outlive the call that started them', async () => {
    const id = await startInBackground(server, 'cat')
    await server.call('process_write', { process_id: id, input: 'echoed\n' })
    const read = await server.call('process_read', { process_id: id, until: 'echoed', wait_s: 50 })
    expect(read.structured).toMatchObject({ status: 'running', until_met: true, stdout: 'echoed\n' })
    await server.call('process_write', { process_id: id, signal: 'kill' })
  })

  test('progress comes at once and grows', async () => {
    const beats: number[] = []
    await server.call('shell_exec', { command: 'sleep 4' }, { onprogress: ({ progress }) => void beats.push(progress) })
    expect(beats.length).toBeGreaterThanOrEqual(2)
    expect(beats).toEqual(beats.map((_, at) => at + 1))
  })

  test('a cancel ends the command, and nothing else', async () => {
    const other = await startInBackground(server, 'sleep 3601')
    const controller = new AbortController()
    const { answer } = await midCommand(server, 'sleep 3600', { signal: controller.signal })
    const failure = failureOf(answer)
    controller.abort()
    expect(await failure).toMatchObject({ message: expect.stringMatching(/abort/i) })
    await expect.poll(() => runningCommands(server), { timeout: 20_000 }).toEqual(['sleep 3601'])
    await server.call('process_write', { process_id: other, signal: 'kill' })
  })

  test('errors say what to do, of tools and of the protocol', async () => {
    expect(await server.refusal('read_file', { path: 'gone' })).toBe(
      'not_found: gone does not exist. Check the name with list_files.',
    )
    expect(await server.refusal('shell_exec', { cmd: 'true' })).toMatch(/^invalid_argument: command is missing/)
    await expect(server.call('rm_rf')).rejects.toMatchObject({
      code: -32_602,
      message: expect.stringContaining('Unknown tool rm_rf: there are shell_exec'),
    })
  })

  test('resources tell of the runtime and hold the files', async () => {
    const { client } = server
    const [runtime] = await client.readResource('sandbox://runtime')
    expect(runtime).toMatchObject({ mimeType: 'application/json', text: expect.stringContaining('working_directory') })
    await server.call('write_file', { path: 'read/me.txt', content: 'as a resource\n' })
    expect(await client.readResource('sandbox:///workspace/read/me.txt')).toMatchObject([{ text: 'as a resource\n' }])
    await expect(client.readResource('sandbox:///workspace/gone')).rejects.toMatchObject({
      code: client.era === 'legacy' ? -32_002 : -32_602,
    })
  })

  test('it is one sandbox, whichever way its user comes', async () => {
    await server.output('echo mine > mine')
    const [container] = await installation.containers(user)
    for (const way of LEGS) {
      await using same = await openLeg(way, { installation: installation.name, user, address: http.address })
      expect(await same.output('cat mine'), way).toBe('mine')
    }
    expect((await installation.containers(user)).map(({ id }) => id)).toEqual([container?.id])
  })
})
