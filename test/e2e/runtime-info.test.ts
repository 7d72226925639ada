import { expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'

const installation = useInstallation()

async function runtimeOf(server: Awaited<ReturnType<typeof installation.start>>) {
  const { contents } = await server.client.readResource({ uri: 'sandbox://runtime' })
  return JSON.parse((contents[0] as { text: string }).text)
}

test('the resource, the instructions and sandbox_info tell what commands then find, and no container is started for them', async () => {
  await using server = await installation.start({ user: installation.newUser() })
  const info = await runtimeOf(server)
  const text = server.client.getInstructions() ?? ''
  expect(await installation.containers(server.user)).toEqual([])
  expect(await installation.volumes(server.user)).toEqual([])
  expect(text).toContain(`python3 ${info.programs.python3}`)
  expect(await server.output('python3 --version')).toBe(`Python ${info.programs.python3}`)
  expect(await server.output('python3 -m pip --version')).toContain(`pip ${info.packages.pip.pip} `)
  expect(await server.output('. /etc/os-release; echo "$PRETTY_NAME"; pwd')).toBe(
    `${info.os}\n${info.working_directory}`,
  )
  expect(info).toMatchObject({ network: 'none', image: 'ready', install_packages: { can_download: false } })
  const { structured } = await server.call('sandbox_info')
  expect(structured).toMatchObject({ runtime: info.name, os: info.os, versions: { python3: info.programs.python3 } })
  const told = Object.entries(info.packages as Record<string, Record<string, string>>).map(([manager, versions]) => [
    manager,
    Object.entries(versions).map(([name, version]) => `${name} ${version}`),
  ])
  expect(structured.packages).toEqual(Object.fromEntries(told))
})

test('the resource is that of the runtime that the user chose', async () => {
  await using server = await installation.start({ user: installation.newUser() })
  await server.call('sandbox_manage', { action: 'runtime', runtime: 'node-minimal' })
  const info = await runtimeOf(server)
  expect(info).toMatchObject({ name: 'node-minimal', install_packages: { default_manager: 'npm' } })
  expect(await server.output('node --version')).toBe(`v${info.programs.node}`)
  await using next = await installation.start({ user: server.user })
  expect(next.client.getInstructions()).toContain('runtime "node-minimal"')
})

test('an engine that is down costs the versions alone', async () => {
  await using server = await installation.start({
    user: installation.newUser(),
    env: { SANDBOX_ENGINE: 'unix:///nonexistent/engine.sock' },
  })
  expect(await runtimeOf(server)).toMatchObject({
    name: 'python-minimal',
    image: 'unknown',
    programs: null,
    packages: null,
  })
  expect(server.client.getInstructions()).toContain('What is installed: resource sandbox://runtime.')
})
