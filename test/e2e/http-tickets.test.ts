import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, describe, expect, test } from 'vitest'
import { curl, runCurlLine } from '../helpers/curl.ts'
import { type HttpUser, useHttpUsers } from '../helpers/http-users.ts'
import { useInstallation } from '../helpers/installation.ts'

const users = useHttpUsers(useInstallation(), ['--ticket-ttl', '5m'])
const clients: Client[] = []
afterAll(() => Promise.all(clients.map((client) => client.close())))

/** What a tool gave to a user, over MCP. */
async function call({ token }: HttpUser, name: string, args: Record<string, unknown>) {
  const client = new Client({ name: 'test', version: '1.0.0' })
  const requestInit = { headers: { authorization: `Bearer ${token}` } }
  await client.connect(new StreamableHTTPClientTransport(new URL(users().url('/mcp')), { requestInit }))
  clients.push(client)
  const result = (await client.callTool({ name, arguments: args })) as CallToolResult
  if (result.isError) throw new Error(JSON.stringify(result.content))
  return result.structuredContent as Record<string, string> & { bytes?: number }
}

const alice = () => users().alice
const bob = () => users().bob
/** In Alice's sandbox. */
const inside = (command: string) => alice().inside.output(command)
const localFile = (name: string, content: Buffer | string) => users().localFile(name, content)
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex')
/** Runs a tool's curl line on this machine. */
const run = (line: string | undefined, file = '') => runCurlLine(line ?? '', file, users().directory)

describe('tickets', () => {
  test('let curl alone put a file, once', async () => {
    const data = randomBytes(2 * 1024 * 1024)
    const file = await localFile('ticket.bin', data)
    const { curl: line = '', put_url: putUrl = '' } = await call(alice(), 'upload', {
      path: 'by-ticket.bin',
      ticket: true,
    })
    const { exitCode, text } = await run(line, file)
    expect([exitCode, JSON.parse(text)]).toMatchObject([0, { path: 'by-ticket.bin', bytes: data.length }])
    expect(await inside('sha256sum < by-ticket.bin')).toBe(`${sha256(data)}  -`)
    expect((await run(line, file)).exitCode).not.toBe(0)
    expect((await curl(['-T', file, putUrl])).status).toBe(404)
  })

  test('let curl alone get a file, once, with the size and digest that were told', async () => {
    const data = randomBytes(2 * 1024 * 1024)
    await curl([...alice().credential, '-T', await localFile('get.bin', data), users().url("/files/it's.bin")])
    const given = await call(alice(), 'download', { path: "it's.bin" })
    expect(given).toMatchObject({ bytes: data.length, sha256: sha256(data) })
    expect((await run(given['curl'])).exitCode).toBe(0)
    expect((await readFile(join(users().directory, "it's.bin"))).equals(data)).toBe(true)
    await expect.poll(async () => (await curl([given['get_url'] ?? ''])).status).toBe(404)
  })

  test('give a directory as an archive', async () => {
    await inside('mkdir -p packed/sub && echo x > packed/sub/file')
    const { curl: line = '' } = await call(alice(), 'download', { path: 'packed' })
    expect((await run(line)).exitCode).toBe(0)
    const put = await call(alice(), 'upload', { path: 'back', ticket: true, extract: 'tar.gz' })
    expect((await run(put['curl'], join(users().directory, 'packed.tar.gz'))).exitCode).toBe(0)
    expect(await inside('cat $(find back -name file)')).toBe('x')
  })

  test('are for nobody else’s files, other methods, other paths, or after a change of one character', async () => {
    const file = await localFile('x', 'x')
    const { put_url: putUrl = '' } = await call(bob(), 'upload', { path: 'ticket-of-bob', ticket: true })
    expect((await curl([...alice().credential, putUrl])).status).toBe(404)
    expect((await curl(['-T', file, `${putUrl}/../x`, '--path-as-is'])).status).toBeGreaterThanOrEqual(400)
    const changed = putUrl.slice(0, -2) + (putUrl.at(-2) === 'A' ? 'B' : 'A') + putUrl.at(-1)
    expect((await curl(['-T', file, changed])).status).toBe(404)
    // Alice's credential beside Bob's ticket is of no account.
    expect((await curl([...alice().credential, '-T', file, putUrl])).status).toBe(201)
    expect(await bob().inside.output('cat ticket-of-bob')).toBe('x')
    expect(await inside('ls ticket-of-bob 2>/dev/null; true')).toBe('')
  })

  test('survive an upload that was cut, and are then good for a whole one', async () => {
    const { put_url: putUrl = '' } = await call(alice(), 'upload', { path: 'cut-ticket/file', ticket: true })
    const stop = new AbortController()
    const sparse = await users().sparseFile('sparse', 500 * 1024 * 1024)
    const cut = curl(['--limit-rate', '2M', '-T', sparse, putUrl], stop.signal)
    await expect.poll(() => inside('ls -A cut-ticket 2>/dev/null | wc -l'), { timeout: 30_000 }).toBe('1')
    const file = await localFile('whole', 'whole')
    expect((await curl(['-T', file, putUrl])).status).toBe(429)
    stop.abort()
    await cut
    await expect.poll(async () => (await curl(['-T', file, putUrl])).status, { timeout: 30_000 }).toBe(201)
    expect(await inside('cat cut-ticket/file; ls -A cut-ticket')).toBe('wholefile')
  })

  test('expire', async () => {
    await inside('echo x > short')
    const { get_url: getUrl = '', expires_at: expiresAt = '' } = await call(alice(), 'download', {
      path: 'short',
      ttl_s: 1,
    })
    await expect.poll(() => Date.now() > Date.parse(expiresAt)).toBe(true)
    expect((await curl([getUrl])).status).toBe(404)
  })

  test('are in no log', async () => {
    const { put_url: putUrl = '' } = await call(alice(), 'upload', { path: 'logged', ticket: true })
    await curl(['-T', await localFile('x', 'x'), putUrl])
    await curl(['-T', await localFile('x', 'x'), putUrl])
    expect(users().server.log.length).toBeGreaterThan(5)
    expect(JSON.stringify(users().server.log)).not.toContain(putUrl.split('/').at(-1))
  })
})
