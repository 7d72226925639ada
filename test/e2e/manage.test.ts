import { describe, expect, test } from 'vitest'
import { fetchLabels, LABEL } from '../../src/registry/identity.ts'
import { useInstallation } from '../helpers/installation.ts'

const installation = useInstallation()
const MANAGE_MS = 120_000

describe('sandbox_manage', { timeout: MANAGE_MS }, () => {
  test('restart ends all processes and keeps the files', async () => {
    await using server = await installation.start({ user: installation.newUser() })
    await server.output('echo kept > a.txt; echo lost > /tmp/b.txt')
    const background = await server.exec('sleep 1000', { wait_s: 0 })
    const answer = await server.call('sandbox_manage', { action: 'restart' })
    expect(answer.structured).toEqual({
      action: 'restart',
      runtime: 'python-minimal',
      files_kept: true,
      processes_kept: false,
    })
    expect(await server.output('cat a.txt; ls /tmp; pgrep sleep; true')).toBe('kept')
    expect(await server.refusal('process_read', { process_id: background.process_id })).toMatch(/^not_found/)
  })

  test('a command that runs meanwhile is told that the sandbox stopped, and a file is read in the new one', async () => {
    await using server = await installation.start({ user: installation.newUser() })
    await server.output('echo here > a.txt; mkfifo gate')
    const command = server.call('shell_exec', { command: 'touch started; cat gate' })
    await server.output('until [ -e started ]; do sleep 0.05; done')
    await server.call('sandbox_manage', { action: 'restart' })
    expect((await command).text).toMatch(/sandbox_stopped: /)
    expect((await server.call('read_file', { path: 'a.txt' })).text).toContain('here')
  })

  test('reset keeps the files, unless they are not to be kept', async () => {
    await using server = await installation.start({ user: installation.newUser() })
    await server.output('echo x > a.txt')
    expect((await server.call('sandbox_manage', { action: 'reset' })).structured).toMatchObject({ files_kept: true })
    expect(await server.output('ls')).toBe('a.txt')
    const fresh = await server.call('sandbox_manage', { action: 'reset', keep_files: false })
    expect(fresh.structured).toMatchObject({ files_kept: false, runtime: 'python-minimal' })
    expect(await server.output('ls -A')).toBe('')
  })

  test('runtime switches the environment and keeps the files, for every later server too', async () => {
    const user = installation.newUser()
    {
      await using server = await installation.start({ user })
      await server.output('echo x > a.txt')
      expect((await server.exec('command -v node')).exit_code).toBe(1)
      const answer = await server.call('sandbox_manage', { action: 'runtime', runtime: 'node-minimal' })
      expect(answer.structured).toMatchObject({ runtime: 'node-minimal', files_kept: true })
      expect(await server.output('node -p 1+1; cat a.txt')).toBe('2\nx')
      const [container] = await installation.containers(user)
      expect(container?.labels[LABEL.runtime]).toBe('node-minimal')
      // Evicted, as far as the engine is concerned.
      await installation.engine.containers.remove(container?.id ?? '')
    }
    await using next = await installation.start({ user })
    expect(await next.output('node -p 1+1; cat a.txt')).toBe('2\nx')
    // Of two servers the one that did not switch finds the other runtime too.
    await using other = await installation.start({ user })
    await other.call('sandbox_manage', { action: 'runtime', runtime: 'python-minimal' })
    expect((await next.exec('command -v node')).exit_code).toBe(1)
  })

  test('runtime takes only a name of the catalogue, and says which there are', async () => {
    await using server = await installation.start({ user: installation.newUser() })
    for (const runtime of ['debian:bookworm', '../python-minimal', 'nope']) {
      const text = await server.refusal('sandbox_manage', { action: 'runtime', runtime })
      expect(text).toMatch(/^invalid_argument: .*Known runtimes: .*polyglot, .*python-minimal/)
    }
    expect(await server.refusal('sandbox_manage', { action: 'runtime' })).toMatch(/^invalid_argument: .*polyglot/)
    expect(await server.refusal('sandbox_manage', { action: 'rebuild' })).toMatch(/^invalid_argument: /)
    expect(await installation.containers(server.user)).toEqual([])
  })

  test('destroy leaves nothing, and starts nothing', async () => {
    await using server = await installation.start({ user: installation.newUser() })
    await server.output('echo x > a.txt')
    await server.call('sandbox_manage', { action: 'runtime', runtime: 'node-minimal' })
    const answer = await server.call('sandbox_manage', { action: 'destroy' })
    expect(answer.structured).toEqual({ action: 'destroy', files_kept: false, processes_kept: false })
    const { userHash } = installation.identityOf(server.user)
    expect(await installation.engine.containers.list({ [LABEL.user]: userHash })).toEqual([])
    expect(await installation.engine.volumes.list({ [LABEL.user]: userHash })).toEqual([])
    expect(await installation.engine.containers.list(fetchLabels(installation.name))).toEqual([])
    const next = await server.call('shell_exec', { command: 'ls -A; command -v node' })
    expect(next.structured).toMatchObject({ stdout: '', notice: 'sandbox created' })
  })
})

test('the operator gives single users a runtime of their own', { timeout: MANAGE_MS }, async () => {
  const [ada, bob] = [installation.newUser(), installation.newUser()]
  const env = { SANDBOX_RUNTIMES: `${ada}=node-minimal` }
  await using ofAda = await installation.start({ user: ada, env })
  await using ofBob = await installation.start({ user: bob, env })
  expect(await ofAda.output('node -p 1')).toBe('1')
  expect((await ofBob.exec('command -v node')).exit_code).toBe(1)
})
