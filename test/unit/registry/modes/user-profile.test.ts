import { expect, test, vi } from 'vitest'
import { registryLab, TEST_POLICY, TEST_PROFILE } from '../../../helpers/registry-lab.ts'

test('a user’s own limits come before the runtime’s and the server’s, in the container and in what the tools tell', async () => {
  const lab = await registryLab()
  const server = lab.server({
    runtime: () => Promise.resolve({ ...lab.runtime, limits: { cpus: 4, pids: 100 } }),
    profiles: {
      of: (user) => ({ ...TEST_PROFILE, limits: user === 'ada' ? { cpus: 2, memoryBytes: 2 ** 30 } : {} }),
      named: [],
      shortestIdleMs: 0,
    },
  })
  const ada = await server.acquire('ada')
  await server.acquire('bob')
  expect((await lab.container('ada'))?.effective).toMatchObject({ nanoCpus: 2e9, memoryBytes: 2 ** 30, pids: 100 })
  expect((await lab.container('bob'))?.effective).toMatchObject({
    nanoCpus: 4e9,
    memoryBytes: TEST_POLICY.limits.memoryBytes,
    pids: 100,
  })
  expect(ada.sandbox.facts.limits).toMatchObject({ cpus: 2, memoryBytes: 2 ** 30, pids: 100 })
  await server.close(false)
})

test('each user’s sandbox sleeps after an idle time of its own, or never', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  try {
    const lab = await registryLab()
    const idleTimeoutMs: Record<string, number> = { ada: 60_000, bob: 0 }
    const server = lab.server({
      profiles: {
        of: (user) => ({ ...TEST_PROFILE, idleTimeoutMs: idleTimeoutMs[user] ?? 600_000 }),
        named: Object.keys(idleTimeoutMs),
        shortestIdleMs: 60_000,
      },
    })
    for (const user of ['ada', 'bob', 'cyd']) (await server.acquire(user)).release()
    await vi.advanceTimersByTimeAsync(120_000)
    await vi.waitFor(async () => expect(await lab.container('ada')).toBeUndefined())
    await vi.advanceTimersByTimeAsync(600_000)
    await vi.waitFor(async () => expect(await lab.container('cyd')).toBeUndefined())
    expect((await lab.container('bob'))?.state).toBe('running')
    await server.close(false)
  } finally {
    vi.useRealTimers()
  }
})
