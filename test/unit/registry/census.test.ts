import { expect, test } from 'vitest'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'
import { registryLab } from '../../helpers/registry-lab.ts'

test('a user beyond the limit is refused, those who have a sandbox are not, also when it sleeps', async () => {
  const lab = await registryLab()
  const { telemetry, told } = recordingTelemetry()
  const server = lab.server({ maxSandboxes: 2, maxRunning: 1, telemetry })
  for (const user of ['a', 'b']) (await server.acquire(user)).release()
  await expect(server.acquire('c')).rejects.toMatchObject({
    code: 'sandbox_limit',
    retryAfterMs: 60_000,
    message: expect.stringContaining('2 users have a sandbox'),
  })
  expect(told).toContainEqual(['callRefused', 'too_many_users'])
  expect((await server.acquire('a')).notice).toBe('resumed')
  expect(await lab.engine.volumes.list({ 'sandbox-mcp.role': 'workspace' })).toHaveLength(2)
})

test('of newcomers at once as many come in as there are places', async () => {
  const lab = await registryLab()
  const server = lab.server({ maxSandboxes: 3 })
  const users = Array.from({ length: 12 }, (_, at) => `user-${at}`)
  const outcomes = await Promise.allSettled(users.map((user) => server.acquire(user)))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
  expect(await lab.engine.containers.list({})).toHaveLength(3)
})

test('a sandbox that is destroyed, and a start that failed, leave their place to another', async () => {
  const lab = await registryLab()
  const server = lab.server({ maxSandboxes: 1 })
  lab.engine.fail('info', new Error('broken'))
  await expect(server.acquire('a')).rejects.toThrow('broken')
  lab.engine.heal()
  await server.control('a').destroy({ signal: new AbortController().signal })
  ;(await server.acquire('b')).release()
  await expect(server.acquire('c')).rejects.toMatchObject({ code: 'sandbox_limit' })
  await server.control('b').destroy({ signal: new AbortController().signal })
  expect((await server.acquire('c')).notice).toBe('created')
})
