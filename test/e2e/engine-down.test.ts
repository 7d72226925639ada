import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { startInBackground } from '../helpers/processes.ts'
import { startSocketProxy } from '../helpers/socket-proxy.ts'

const installation = useInstallation()

/** A call of each tool with arguments that are right. */
const CALLS: readonly (readonly [string, Record<string, unknown>])[] = [
  ['shell_exec', { command: 'true' }],
  ['process_read', {}],
  ['process_write', { process_id: 'abc-1', input: 'x' }],
  ['read_file', { path: 'x' }],
  ['write_file', { path: 'x', content: 'x' }],
  ['edit_file', { path: 'x', edits: [{ old: 'x', new: 'y' }] }],
  ['list_files', {}],
  ['search_files', { pattern: 'x' }],
  ['upload', { path: 'x', content: 'x' }],
  ['download', { path: 'x' }],
  ['run_code', { language: 'bash', code: 'true' }],
  ['check_syntax', { language: 'bash', code: 'true' }],
  ['install_packages', { packages: ['x'] }],
  ['sandbox_info', {}],
  ['sandbox_manage', { action: 'restart' }],
]

// FD01
describe.each([
  ['has no socket', 'unix:///run/no-such-engine.sock'],
  ['is a file that is no socket', 'unix:///etc/hostname'],
  ['refuses connections', 'tcp://127.0.0.1:1'],
])('an engine that %s', (_name, host) => {
  test('makes every tool say so and what to do, and nothing runs on the host', async () => {
    await using server = await installation.start({ user: installation.newUser(), env: { DOCKER_HOST: host } })
    for (const [tool, args] of CALLS) {
      const text = await server.refusal(tool, args)
      expect(text, tool).toMatch(/^engine_unreachable: No container engine answered .+ Start the container engine/)
      // OU09
      expect(text).not.toMatch(/\.sock|127\.0\.0\.1|ECONN|ENOENT|hostname|\n\s+at /)
    }
    const canary = join(tmpdir(), `canary-${randomBytes(8).toString('hex')}`)
    await server.refusal('shell_exec', { command: `touch ${canary}` })
    await server.refusal('write_file', { path: canary, content: 'x' })
    expect(existsSync(canary)).toBe(false)
  })

  test('does not keep the server from starting and listing its tools', async () => {
    await using server = await installation.start({ env: { DOCKER_HOST: host } })
    const { tools } = await server.client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(CALLS.map(([name]) => name).sort(inOrderOf(tools)))
  })
})

/** The order of the list that is compared with: what matters here is that none is missing. */
function inOrderOf(tools: readonly { readonly name: string }[]) {
  const at = (name: string) => tools.findIndex((tool) => tool.name === name)
  return (a: string, b: string) => at(a) - at(b)
}

describe('an engine that goes away and comes back', () => {
  // FD01, FD13
  test('is told while it is away, and afterwards the same sandbox is used with what ran in it', async () => {
    const { socketPath = '' } = installation.address
    const proxy = await startSocketProxy(socketPath, {})
    const user = installation.newUser()
    await using server = await installation.start({ user, env: { DOCKER_HOST: `unix://${proxy.socketPath}` } })
    const id = await startInBackground(server, 'echo before; cat')
    const before = await installation.containers(user)

    await proxy.stop()
    await expect.poll(() => server.refusal('shell_exec', { command: 'true' })).toMatch(/^engine_unreachable: /)

    await proxy.start()
    expect((await server.exec('echo back')).stdout).toBe('back\n')
    await server.call('process_write', { process_id: id, input: 'after\n', close_stdin: true })
    const { structured } = await server.call('process_read', {
      process_id: id,
      until: 'after',
      wait_s: 50,
      since: '0:0',
    })
    expect(structured).toMatchObject({ stdout: 'before\nafter\n', until_met: true })
    expect((await installation.containers(user)).map(({ id: each }) => each)).toEqual(
      before.map(({ id: each }) => each),
    )
    await proxy.stop()
  })

  // FD04, FD10
  test('in the middle of a command costs nothing when the stream can be opened again', async () => {
    const { socketPath = '' } = installation.address
    const proxy = await startSocketProxy(socketPath, {})
    const user = installation.newUser()
    await using server = await installation.start({ user, env: { DOCKER_HOST: `unix://${proxy.socketPath}` } })
    await server.exec('mkfifo gate')
    await using other = await installation.start({ user })
    const answer = server.call('shell_exec', { command: 'echo once >> runs; cat gate; cat runs' })
    await expect.poll(async () => (await other.exec('cat runs')).stdout).toBe('once\n')
    proxy.cutAll()
    await other.exec('echo open > gate')
    expect((await answer).structured).toMatchObject({ status: 'exited', exit_code: 0, stdout: 'open\nonce\n' })
    await proxy.stop()
  })
})
