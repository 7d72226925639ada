import { describe, inject, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { midCommand, startInBackground } from '../helpers/processes.ts'
import { rawDocker } from '../helpers/raw-docker.ts'
import { BASE_IMAGE } from '../helpers/images.ts'
import type { TestServer } from '../helpers/start-server.ts'
import { TEST_LABEL } from '../helpers/test-label.ts'
import { LABEL } from '../../src/registry/identity.ts'

const installation = useInstallation()
const docker = rawDocker(installation.address)

/** What people and programs beside us do to containers. LC10, LC11 */
const ENDINGS: readonly (readonly [string, (name: string) => Promise<unknown>])[] = [
  ['docker kill', (name) => docker.getContainer(name).kill()],
  ['docker stop', (name) => docker.getContainer(name).stop({ t: 10 })],
  ['docker restart', (name) => docker.getContainer(name).restart({ t: 0 })],
  ['docker rm -f', (name) => docker.getContainer(name).remove({ force: true })],
]

/** A server whose user has a sandbox with a file in it. */
async function startedServer(): Promise<TestServer> {
  const server = await installation.start({ user: installation.newUser() })
  await server.output('echo kept > file')
  return server
}

const containerOf = ({ user }: TestServer) => installation.identityOf(user).containerName

describe.each(ENDINGS)('%s', (_name, end) => {
  test('of an idle sandbox: the next call has the files, and is told that processes are lost', async ({ expect }) => {
    await using server = await startedServer()
    const id = await startInBackground(server, 'sleep 3600')
    await end(containerOf(server))
    const { stdout, notice } = await server.exec('cat file')
    expect({ stdout, notice }).toEqual({ stdout: 'kept\n', notice: expect.stringContaining('processes lost') })
    expect(await server.refusal('process_read', { process_id: id })).toMatch(/^not_found: No process /)
    expect(await installation.containers(server.user)).toHaveLength(1)
    expect(await installation.volumes(server.user)).toHaveLength(1)
  })

  test('in the middle of a command: its caller is told so, never of a success, and the next call works', async ({
    expect,
  }) => {
    await using server = await startedServer()
    const { answer } = await midCommand(server, 'sleep 3600')
    await end(containerOf(server))
    const { isError, text, structured } = await answer
    // An orderly stop lets the supervisor say how the command ended; otherwise the outcome is unknown.
    expect(isError ? text : structured.status).toMatch(/^(sandbox_stopped: .* Look before you repeat it\.|signaled)$/)
    expect((await server.exec('cat file')).stdout).toBe('kept\n')
  })
})

// LC12
describe.concurrent('docker pause', () => {
  test('of an idle sandbox: the next call thaws it, and its processes go on', async ({ expect }) => {
    await using server = await startedServer()
    const id = await startInBackground(server, 'cat')
    await docker.getContainer(containerOf(server)).pause()
    expect((await server.exec('cat file')).stdout).toBe('kept\n')
    await server.call('process_write', { process_id: id, input: 'still here\n' })
    const { structured } = await server.call('process_read', { process_id: id, until: 'still here', wait_s: 50 })
    expect(structured.until_met).toBe(true)
  })

  test('in the middle of a command: it is thawed, and the command ends as it would have', async ({ expect }) => {
    await using server = await startedServer()
    await server.exec('mkfifo gate')
    const { answer } = await midCommand(server, 'cat gate')
    await docker.getContainer(containerOf(server)).pause()
    const opened = server.exec('echo open > gate')
    expect((await answer).structured).toMatchObject({ status: 'exited', exit_code: 0, stdout: 'open\n' })
    await opened
  })
})

// LC13
test('when container and volume were deleted, the next call says that the sandbox is new', async ({ expect }) => {
  await using server = await startedServer()
  await docker.getContainer(containerOf(server)).remove({ force: true })
  await docker.getVolume(installation.identityOf(server.user).volumeName).remove()
  expect(await server.exec('ls -A')).toMatchObject({ stdout: '', notice: 'sandbox created' })
})

describe('a foreign', () => {
  test('container with the name of a sandbox is left alone, and the caller is told its name', async ({ expect }) => {
    const user = installation.newUser()
    const { containerName } = installation.identityOf(user)
    const foreign = await docker.createContainer({
      name: containerName,
      Image: BASE_IMAGE,
      Cmd: ['true'],
      Labels: { [TEST_LABEL]: inject('runId') },
    })
    await using server = await installation.start({ user })
    const text = await server.refusal('shell_exec', { command: 'true' })
    expect(text).toMatch(
      /^engine_failed: A container named sandbox-mcp-\w+ exists that this installation did not make\. /,
    )
    expect((await foreign.inspect()).Id).toBe(foreign.id)
    await foreign.remove()
    expect((await server.exec('echo free')).stdout).toBe('free\n')
  })

  test('volume with the name of a workspace is neither mounted nor deleted', async ({ expect }) => {
    const user = installation.newUser()
    const { volumeName } = installation.identityOf(user)
    await docker.createVolume({ Name: volumeName, Labels: { [TEST_LABEL]: inject('runId') } })
    await using server = await installation.start({ user })
    const text = await server.refusal('shell_exec', { command: 'true' })
    expect(text).toMatch(/^engine_failed: A volume named sandbox-mcp-\w+ exists that this installation did not make\. /)
    await docker.getVolume(volumeName).remove()
  })

  test('container of another installation is not swept by a server that starts', async ({ expect }) => {
    const name = `${installation.name}-foreign`
    const container = await docker.createContainer({
      name,
      Image: BASE_IMAGE,
      Cmd: ['true'],
      Labels: {
        [LABEL.role]: 'sandbox',
        [LABEL.installation]: `${installation.name}-2`,
        [TEST_LABEL]: inject('runId'),
      },
    })
    await container.start()
    await container.wait()
    await using server = await installation.start({ user: installation.newUser() })
    await server.exec('true')
    expect((await container.inspect()).Id).toBe(container.id)
    await container.remove()
  })
})
