import { expect, test } from 'vitest'
import type { ReadyRuntime } from '../../../src/runtimes/ready-runtime.ts'
import { containerSpec, sandboxFacts, userPlace } from '../../../src/registry/sandbox-spec.ts'
import { labIdentity, registryLab, TEST_POLICY } from '../../helpers/registry-lab.ts'

const placeOf = (user: string, runtime: ReadyRuntime) =>
  userPlace(labIdentity(user), labIdentity(user).volumeName, 1_100_001, runtime)

test('the container runs the supervisor and nothing of the server, as the user alone', async () => {
  const { runtime } = await registryLab()
  const spec = containerSpec(placeOf('ada', runtime), runtime, { ...TEST_POLICY, idleExitMs: 90_500 })
  expect(spec).toMatchObject({ image: runtime.imageId, uid: 1_100_001, bridgeUid: 65_532, network: 'none' })
  expect(spec.command).toEqual([
    '/.sandbox/supervisor',
    'init',
    '--bridge-uid',
    '65532',
    '--spool',
    '/tmp/.sandbox',
    '--workspace',
    '/workspace',
    '--idle-exit',
    '91',
  ])
  expect(Object.keys(spec.env).sort()).toEqual(['HOME', 'LANG', 'PATH'])
  expect(spec.volume).toEqual({ name: labIdentity('ada').volumeName, mountPath: '/workspace' })
  expect('ociRuntime' in spec).toBe(false)
})

test('what the runtime says of itself wins over the settings', async () => {
  const { runtime } = await registryLab()
  const special = { ...runtime, limits: { pids: 99 }, network: 'bridge', ociRuntime: 'runsc' } as const
  const policy = { ...TEST_POLICY, ociRuntime: 'crun' }
  const spec = containerSpec(placeOf('ada', special), special, policy)
  expect(spec).toMatchObject({ limits: { ...TEST_POLICY.limits, pids: 99 }, network: 'bridge', ociRuntime: 'runsc' })
  expect(sandboxFacts(special, policy, 0).network).toBe('bridge')
  expect(containerSpec(placeOf('ada', runtime), runtime, policy).ociRuntime).toBe('crun')
})

test('what a sandbox is told of itself is what it was made with', async () => {
  const { runtime } = await registryLab()
  const special = { ...runtime, limits: { pids: 99 } }
  expect(sandboxFacts(special, TEST_POLICY, 60_000)).toMatchObject({
    description: runtime.description,
    imageId: runtime.imageId,
    digest: runtime.digest,
    packages: runtime.packages,
    limits: { ...TEST_POLICY.limits, pids: 99 },
    idleTimeoutMs: 60_000,
  })
})

test('programs do not wait for a person', async () => {
  const { runtime } = await registryLab()
  expect(sandboxFacts(runtime, TEST_POLICY, 0).env).toMatchObject({
    CI: '1',
    NO_COLOR: '1',
    TERM: 'dumb',
    PAGER: 'cat',
    GIT_TERMINAL_PROMPT: '0',
    DEBIAN_FRONTEND: 'noninteractive',
    PYTHONUNBUFFERED: '1',
    LANG: 'C.UTF-8',
  })
})
