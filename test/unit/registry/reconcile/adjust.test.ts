import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../../src/errors/sandbox-error.ts'
import type { RegistryDeps } from '../../../../src/registry/registry-deps.ts'
import { recordingTelemetry } from '../../../helpers/recording-telemetry.ts'
import { registryLab, TEST_POLICY } from '../../../helpers/registry-lab.ts'

const ADA = 'ada'

/** A sandbox of one server, and the next server's settings. */
async function setUp() {
  const lab = await registryLab()
  await lab.server().acquire(ADA)
  const before = await lab.container(ADA)
  const { telemetry, told } = recordingTelemetry()
  const drifts = () => told.filter(([method]) => method === 'sandboxDrift').map(([, ...rest]) => rest)
  const next = (policy: Partial<RegistryDeps['policy']>, overrides: Partial<RegistryDeps> = {}) =>
    lab.server({ telemetry, policy: { ...TEST_POLICY, sinceMs: TEST_POLICY.sinceMs + 1, ...policy }, ...overrides })
  return { lab, before, drifts, next }
}

const MORE = { ...TEST_POLICY.limits, memoryBytes: TEST_POLICY.limits.memoryBytes * 2, cpus: 2, pids: 100 }
const OTHER = { ...TEST_POLICY.limits, tmpBytes: 1024 }

describe('a sandbox made with other settings', () => {
  test('gets other limits in place, whatever runs in it', async () => {
    const { lab, before, drifts, next } = await setUp()
    ;(await lab.supervisorOf(ADA)).running = 1
    const { notice } = await next({ limits: MORE }).acquire(ADA)
    expect(notice).toBeUndefined()
    const after = await lab.container(ADA)
    expect(after?.id).toBe(before?.id)
    expect(after?.effective).toMatchObject({ memoryBytes: MORE.memoryBytes, nanoCpus: 2e9, pids: 100 })
    expect(drifts()).toEqual([['limits', 'updated']])
  })

  test('keeps its limits in the hands of an older server', async () => {
    const { lab, next } = await setUp()
    await next({ limits: MORE }).acquire(ADA)
    // Updated by the newer one; and made by it:
    await lab.server().acquire(ADA)
    expect((await lab.container(ADA))?.effective.pids).toBe(100)
    await lab.engine.containers.remove((await lab.container(ADA))?.id ?? '')
    await next({ limits: MORE }).acquire(ADA)
    await lab.server().acquire(ADA)
    expect((await lab.container(ADA))?.effective.pids).toBe(100)
  })

  test('is made anew at once when nobody uses it, its files kept', async () => {
    const { lab, before, drifts, next } = await setUp()
    const { notice } = await next({ limits: OTHER }).acquire(ADA)
    expect(notice).toBe('resumed')
    expect((await lab.container(ADA))?.id).not.toBe(before?.id)
    expect(drifts()).toEqual([['settings', 'recreated']])
  })

  test.each([
    ['something runs in it', { running: 1 }],
    ['it was used a moment ago, by whichever server', { idleMs: 59_000 }],
  ])('is kept as it is while %s', async (_, use) => {
    const { lab, before, drifts, next } = await setUp()
    Object.assign(await lab.supervisorOf(ADA), use)
    const { notice } = await next({ limits: OTHER }).acquire(ADA)
    expect(notice).toBeUndefined()
    expect((await lab.container(ADA))?.id).toBe(before?.id)
    expect(drifts()).toEqual([['settings', 'deferred']])
  })

  test('whose limits the engine does not change is made anew when nobody uses it', async () => {
    const { lab, before, drifts, next } = await setUp()
    lab.engine.fail('containers.update', new SandboxError('engine_failed', 'device or resource busy'))
    await next({ limits: MORE }).acquire(ADA)
    expect((await lab.container(ADA))?.id).not.toBe(before?.id)
    expect((await lab.container(ADA))?.effective.pids).toBe(100)
    expect(drifts()).toEqual([['limits', 'recreated']])
  })

  test('of another image of the runtime comes back with the new one', async () => {
    const { lab, drifts, next } = await setUp()
    const runtime: RegistryDeps['runtime'] = (name) => Promise.resolve({ ...lab.runtime, name, digest: 'd2' })
    await next({}, { runtime }).acquire(ADA)
    expect((await lab.container(ADA))?.labels['sandbox-mcp.digest']).toBe('d2')
    expect(drifts()).toEqual([['image', 'recreated']])
  })
})

test('two servers with different settings replace a sandbox once, not for ever', async () => {
  const { lab, next } = await setUp()
  const runtime: RegistryDeps['runtime'] = (name) => Promise.resolve({ ...lab.runtime, name, digest: 'd2' })
  for (let round = 0; round < 5; round++) {
    await next({ limits: OTHER, network: 'bridge' }, { runtime }).acquire(ADA)
    await lab.server().acquire(ADA)
  }
  expect(lab.calls('containers.create')).toBe(2)
  expect((await lab.container(ADA))?.effective.networkMode).toBe('bridge')
})
