import { chown } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { run } from '../helpers/run-cli.ts'
import { temporaryDirectory } from '../helpers/temporary-directory.ts'

const installation = useInstallation()

test('a server over HTTP does not start with a user whose workspace is a directory of the host', async () => {
  const users = JSON.stringify({ ada: { directory: temporaryDirectory() } })
  for (const given of [{ SANDBOX_USERS: users }, { SANDBOX_WORKSPACE: '/srv/project' }]) {
    const env = { ...given, SANDBOX_INSTALLATION: installation.name, SANDBOX_PORT: '0' }
    const ran = await run(['serve', '--transport', 'http'], env)
    expect(ran.code).toBe(78)
    expect(ran.stderr).toContain('config_invalid')
    expect(ran.stderr).toContain('--http-bind')
  }
})

test('no directory that would give the host away becomes a workspace, and nothing is started', async () => {
  const ofRoot = temporaryDirectory()
  if (process.getuid?.() === 0) await chown(ofRoot, 0, 0)
  const forbidden = ['/', '/etc', '/var/run', '/var/lib/docker', '/proc', '/root/.ssh', '/home']
  for (const directory of [...forbidden, ...(process.getuid?.() === 0 ? [ofRoot] : [])]) {
    await using server = await installation.start({
      user: installation.newUser(),
      env: { SANDBOX_WORKSPACE: directory },
    })
    expect(await server.refusal('shell_exec', { command: 'cat /workspace/*' })).toContain('cannot be a workspace')
  }
  expect(await installation.containers()).toEqual([])
})
