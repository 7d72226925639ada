import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import type { TestServer } from '../helpers/start-server.ts'

const installation = useInstallation()
let share: string
let server: TestServer

beforeAll(async () => {
  share = await mkdtemp(join(tmpdir(), 'sandbox-mcp-share-'))
  server = await installation.start({ args: ['serve', '--host-dir', share] })
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(share, { recursive: true, force: true })
})

describe('over stdio with a host directory', () => {
  test('a file larger than a message goes in and comes out byte for byte', async () => {
    const data = randomBytes(5 * 1024 * 1024 + 1)
    await writeFile(join(share, 'in.bin'), data)
    const put = await server.call('upload', { path: 'in.bin', host_path: join(share, 'in.bin') })
    expect(put.structured).toMatchObject({ path: 'in.bin', bytes: data.length })
    const got = await server.call('download', { path: 'in.bin' })
    // The name is taken by what was uploaded.
    expect(got.structured).toMatchObject({ sha256: put.structured.sha256, host_path: join(share, 'in-2.bin') })
    expect((await readFile(join(share, 'in-2.bin'))).equals(data)).toBe(true)
  })

  test('a directory goes out as an archive, and an archive in as a directory', async () => {
    await server.output('mkdir -p out/sub && echo x > out/sub/file')
    const { structured } = await server.call('download', { path: 'out' })
    expect(structured.host_path).toBe(join(share, 'out.tar.gz'))
    await server.call('upload', { path: 'back', host_path: 'out.tar.gz', extract: 'tar.gz' })
    expect(await server.output('cat $(find back -name file)')).toBe('x')
  })

  test('nothing outside is read, by no path and no link, and a failed download leaves nothing', async () => {
    await symlink('/etc/passwd', join(share, 'link'))
    const before = await readdir(share)
    expect(await server.refusal('upload', { path: 'a', host_path: '/etc/passwd' })).toMatch(/^permission_denied: /)
    expect(await server.refusal('upload', { path: 'a', host_path: '../../etc/passwd' })).toMatch(/^permission_denied: /)
    expect(await server.refusal('upload', { path: 'a', host_path: 'link' })).toMatch(/^not_found: /)
    expect(await server.refusal('download', { path: 'missing' })).toMatch(/^not_found: /)
    expect(await server.refusal('download', { path: '/dev/null' })).toMatch(/^not_a_file: /)
    expect(await readdir(share)).toEqual(before)
  })

  test('there are no tickets, and the model is told what there is', async () => {
    expect(await server.refusal('upload', { path: 'a', ticket: true })).toContain('Use host_path.')
  })
})

test('without one, the tools are the same and say what it takes', async () => {
  await using plain = await installation.start()
  expect((await plain.client.listTools()).tools).toEqual((await server.client.listTools()).tools)
  await plain.output('echo x > a')
  expect(await plain.refusal('download', { path: 'a' })).toMatch(/^permission_denied: .*--host-dir/)
  expect(await plain.refusal('upload', { path: 'a', host_path: '/etc/passwd' })).toMatch(
    /^permission_denied: .*--host-dir/,
  )
})
