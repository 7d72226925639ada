import { expect, test } from 'vitest'
import { registryLab, type RegistryLab, TEST_PROFILE } from '../../../helpers/registry-lab.ts'
import { expectCode } from '../../../helpers/expect-code.ts'

/** The program that is put in holds the build that the lab's supervisors greet with. */
async function attachedLab(container = 'devbox', content = Buffer.from('a program, build test+claim')) {
  const lab: RegistryLab = await registryLab()
  const id = lab.engine.foreign({ name: 'devbox' })
  const server = lab.server({
    supervisor: () => Promise.resolve({ content, sha256: 'ab'.repeat(32) }),
    profiles: {
      of: () => ({
        ...TEST_PROFILE,
        idleTimeoutMs: 1,
        mode: { name: 'attach' as const, container, directory: '/src', uid: undefined },
      }),
      named: [],
      shortestIdleMs: 1,
    },
  })
  return { lab, id, server }
}

test('an attached container is not ended by idleness, a full house, the server’s end or a tool', async () => {
  const { lab, id, server } = await attachedLab()
  const lease = await server.acquire('ada')
  expect(lease.sandbox.facts).toMatchObject({ mode: 'attach', workspace: '/src' })
  lease.release()
  const control = server.control('ada')
  await expectCode(control.destroy({}), 'mode_refused')
  await expectCode(control.startOver({}), 'mode_refused')
  await expectCode(control.useRuntime('other', {}), 'mode_refused')
  await expectCode(control.snapshot(undefined, {}), 'mode_refused')
  await server.close(true)
  expect((await lab.engine.containers.inspect(id))?.state).toBe('running')
  for (const method of ['containers.remove', 'containers.pause', 'containers.stop', 'containers.unpause']) {
    expect(lab.calls(method), method).toBe(0)
  }
})

test('who answers with another build than that of the program that was put in is not spoken to', async () => {
  const { server } = await attachedLab('devbox', Buffer.from('another program'))
  const error = await expectCode(server.acquire('ada'), 'sandbox_unavailable')
  expect(error.message).toContain('something else than the supervisor')
  await server.close(false)
})

test.each([
  ['that is not there', 'other', 'it is not there'],
  ['that does not run', 'devbox', 'it does not run'],
])('a container %s is told, and nothing is started', async (_what, name, told) => {
  const { lab, id, server } = await attachedLab(name)
  lab.engine.kill(id)
  const error = await expectCode(server.acquire('ada'), 'sandbox_unavailable')
  expect(error.message).toContain(told)
  expect(lab.calls('containers.start')).toBe(0)
  await server.close(false)
})

test('the sandbox of a user is nobody’s to attach to', async () => {
  const { lab, server } = await attachedLab('victim')
  lab.engine.foreign({ name: 'victim', labels: { 'sandbox-mcp.installation': 'test', 'sandbox-mcp.role': 'sandbox' } })
  const error = await expectCode(server.acquire('ada'), 'sandbox_unavailable')
  expect(error.message).toContain('made and removed by a server')
  expect(lab.calls('containers.putProgram')).toBe(0)
  await server.close(false)
})
