import { describe, expect, test } from 'vitest'
import { LABEL } from '../../../src/registry/identity.ts'
import { containerSpec, userPlace } from '../../../src/registry/sandbox-spec.ts'
import { foreignMade, labIdentity, registryLab, type RegistryLab, TEST_POLICY } from '../../helpers/registry-lab.ts'

const ADA = 'ada'

describe('what is found', () => {
  test('running is adopted as it is', async () => {
    const lab = await registryLab()
    await lab.server().acquire(ADA)
    const before = await lab.container(ADA)
    const { notice } = await lab.server().acquire(ADA)
    expect(notice).toBeUndefined()
    expect((await lab.container(ADA))?.id).toBe(before?.id)
    expect(lab.calls('containers.create')).toBe(1)
  })

  test('created, but never started, is started', async () => {
    const lab = await registryLab()
    const id = await foreignMade(lab, ADA)
    await lab.server().acquire(ADA)
    expect(await lab.container(ADA)).toMatchObject({ id, state: 'running' })
  })

  test('paused is thawed', async () => {
    const lab = await registryLab()
    const id = await foreignMade(lab, ADA)
    await lab.engine.containers.start(id)
    await lab.engine.containers.pause(id)
    const { notice } = await lab.server().acquire(ADA)
    expect(notice).toBe('thawed')
    expect(await lab.container(ADA)).toMatchObject({ id, state: 'running' })
  })

  test('exited is made anew on the same files, with the same uid', async () => {
    const lab = await registryLab()
    const id = await foreignMade(lab, ADA, 1_234_567)
    await lab.engine.containers.start(id)
    lab.engine.kill(id)
    const { notice } = await lab.server().acquire(ADA)
    expect(notice).toBe('resumed')
    const made = await lab.container(ADA)
    expect(made?.id).not.toBe(id)
    expect(made?.effective.user).toBe('1234567:1234567')
    expect(made?.labels[LABEL.uid]).toBe('1234567')
  })

  test('is kept when the way to it breaks once', async () => {
    const lab = await registryLab()
    const id = await foreignMade(lab, ADA)
    lab.bridgeExits.push(1)
    expect((await lab.server().acquire(ADA)).notice).toBeUndefined()
    expect((await lab.container(ADA))?.id).toBe(id)
  })

  test('with as many servers as it takes is left alone, and the caller told', async () => {
    const lab = await registryLab()
    const id = await foreignMade(lab, ADA)
    lab.bridgeExits.push(3)
    await expect(lab.server().acquire(ADA)).rejects.toMatchObject({ code: 'sandbox_limit' })
    expect((await lab.container(ADA))?.id).toBe(id)
  })

  test.each([
    ['a read-write root', { readOnlyRoot: false }],
    ['a capability', { capAdd: ['SYS_ADMIN'] }],
    ['no seccomp profile', { seccomp: false }],
    ['the network of the host', { networkMode: 'host' }],
    ['a mount more', { mounts: [{ type: 'bind', name: '', target: '/host', readOnly: false }] }],
  ])('with %s is made anew before it is used', async (_, weaker) => {
    let isWeak = false
    const lab: RegistryLab = await registryLab({
      weaken: (effective) => (isWeak && lab.calls('containers.remove') === 0 ? { ...effective, ...weaker } : effective),
    })
    const id = await foreignMade(lab, ADA)
    await lab.engine.containers.start(id)
    isWeak = true
    await lab.server().acquire(ADA)
    const made = await lab.container(ADA)
    expect(made?.id).not.toBe(id)
    expect(lab.calls('containers.openStream')).toBe(1)
  })

  test.each([LABEL.installation, LABEL.user, LABEL.schema, LABEL.role])(
    'as a container with another %s is refused and left alone',
    async (label) => {
      const lab = await registryLab()
      const place = userPlace(labIdentity(ADA), labIdentity(ADA).volumeName, 1_200_000, lab.runtime)
      const spec = containerSpec(place, lab.runtime, TEST_POLICY)
      const { id } = await lab.engine.containers.create({ ...spec, labels: { ...spec.labels, [label]: 'other' } })
      await lab.engine.containers.start(id)
      await expect(lab.server().acquire(ADA)).rejects.toMatchObject({ code: 'engine_failed' })
      expect(await lab.engine.containers.inspect(id)).toMatchObject({ state: 'running' })
      expect(lab.calls('containers.openStream')).toBe(0)
    },
  )

  test.each([{}, { [LABEL.role]: 'workspace', [LABEL.installation]: 'other' }])(
    'as a volume with labels %j is refused and left alone',
    async (labels) => {
      const lab = await registryLab()
      await lab.engine.volumes.ensure(labIdentity(ADA).volumeName, labels)
      await expect(lab.server().acquire(ADA)).rejects.toMatchObject({ code: 'engine_failed' })
      expect(lab.calls('containers.create')).toBe(0)
      expect(await lab.engine.volumes.inspect(labIdentity(ADA).volumeName)).toMatchObject({ labels })
    },
  )
})

test('containers that have ended are removed, those of others are not', async () => {
  const lab = await registryLab()
  const ended = await foreignMade(lab, 'ended')
  await lab.engine.containers.start(ended)
  lab.engine.kill(ended)
  const running = await foreignMade(lab, 'running')
  await lab.engine.containers.start(running)
  expect(await lab.server({ installation: 'other' }).look()).toMatchObject({ ended: 0 })
  expect(await lab.server().look()).toMatchObject({ ended: 1 })
  expect(await lab.container('ended')).toBeUndefined()
  expect(await lab.container('running')).toBeDefined()
  expect(await lab.engine.volumes.list({})).toHaveLength(2)
})
