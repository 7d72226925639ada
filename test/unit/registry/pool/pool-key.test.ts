import { expect, test } from 'vitest'
import { poolKey } from '../../../../src/registry/pool/pool-key.ts'
import { registryLab, TEST_POLICY } from '../../../helpers/registry-lab.ts'

const { runtime } = await registryLab()
const key = poolKey(runtime, TEST_POLICY)

test('is the same for everything that is single, or can be changed later', () => {
  const limits = { ...TEST_POLICY.limits, memoryBytes: 1, cpus: 9, pids: 9 }
  expect(poolKey(runtime, { ...TEST_POLICY, limits })).toBe(key)
  expect(poolKey(runtime, { ...TEST_POLICY, userLimits: { memoryBytes: 2 }, sinceMs: 1, maxTimeoutMs: 1 })).toBe(key)
  expect(poolKey({ ...runtime, tag: 'other', description: 'x' }, TEST_POLICY)).toBe(key)
  expect(key).toMatch(/^[0-9a-f]{64}$/)
})

test.each([
  ['image', { imageId: 'sha256:other' }],
  ['digest', { digest: 'd2' }],
  ['name', { name: 'other' }],
  ['network', { network: 'bridge' as const }],
  ['OCI runtime', { ociRuntime: 'runsc' }],
  ['tmpfs', { limits: { tmpBytes: 1 } }],
])('differs by the runtime’s %s', (_, changed) => {
  expect(poolKey({ ...runtime, ...changed }, TEST_POLICY)).not.toBe(key)
})

test.each(['tmpBytes', 'spoolBytes', 'shmBytes', 'fileBytes', 'openFiles'] as const)('differs by %s', (limit) => {
  const limits = { ...TEST_POLICY.limits, [limit]: 1 }
  expect(poolKey(runtime, { ...TEST_POLICY, limits })).not.toBe(key)
  expect(poolKey(runtime, { ...TEST_POLICY, userLimits: { [limit]: 1 } })).not.toBe(key)
})

test('differs by what the supervisor is started with, and by the options of the volume', () => {
  expect(poolKey(runtime, { ...TEST_POLICY, idleExitMs: 60_000 })).not.toBe(key)
  const workspace = { ...TEST_POLICY.workspace, volumeOptions: { o: 'size={size}' } }
  const sized = poolKey(runtime, { ...TEST_POLICY, workspace })
  expect(sized).not.toBe(key)
  const other = { ...workspace, limits: { ...workspace.limits, bytes: 12_345 } }
  expect(poolKey(runtime, { ...TEST_POLICY, workspace: other })).not.toBe(sized)
})
