import { afterEach, describe, expect, test, vi } from 'vitest'
import { SandboxError } from '../../../../src/errors/sandbox-error.ts'
import { LABEL } from '../../../../src/registry/identity.ts'
import { listHoldings } from '../../../../src/registry/owned.ts'
import { ensureOwner, resolveOwner } from '../../../../src/registry/owner.ts'
import type { UserProfile } from '../../../../src/registry/modes/user-profile.ts'
import type { Registry } from '../../../../src/registry/registry.ts'
import { recordingTelemetry } from '../../../helpers/recording-telemetry.ts'
import {
  labIdentity,
  registryLab,
  type RegistryLab,
  type ServerOverrides,
  TEST_POLICY,
  TEST_PROFILE,
} from '../../../helpers/registry-lab.ts'

afterEach(() => vi.useRealTimers())

const INSTALLATION = labIdentity('any').installation
const TWO = { poolSizes: new Map([['test', 2]]) }

/** A server whose pool is full. */
async function pooled(lab: RegistryLab, overrides: ServerOverrides = TWO): Promise<Registry> {
  const server = lab.server(overrides)
  server.fillPool()
  const size = [...(overrides.poolSizes ?? TWO.poolSizes).values()].reduce((sum, each) => sum + each, 0)
  await vi.waitFor(() => expect(server.poolSlots).toEqual({ ready: size, starting: 0 }))
  return server
}

/** What the operator says about all users. */
const profiles = (said: Partial<UserProfile>) => ({
  profiles: { of: () => ({ ...TEST_PROFILE, ...said }), named: [], shortestIdleMs: 0 },
})

const slotsOf = async ({ engine }: RegistryLab) => (await listHoldings(engine, INSTALLATION)).slots
const containers = async ({ engine }: RegistryLab) => (await engine.containers.list({})).map(({ name }) => name)

describe('a new user', () => {
  test('gets a slot that runs already: nothing is created or started, and no stream is opened', async () => {
    const lab = await registryLab()
    const server = await pooled(lab)
    const names = await containers(lab)
    const before = lab.engine.calls.length
    const lease = await server.acquire('ada')
    const calls = lab.engine.calls.slice(before)
    expect(lease.notice).toBe('created')
    expect(names).toContain((await lab.container('ada'))?.name)
    expect(await resolveOwner(lab.engine, labIdentity('ada'))).toMatchObject({ generation: 1, isNew: false })
    expect(calls.slice(0, calls.indexOf('volumes.ensure') + 1).sort()).toEqual([
      'volumes.ensure',
      'volumes.inspect',
      'volumes.list',
    ])
  })

  test('is idle from then on, however long the slot has waited', async () => {
    const lab = await registryLab()
    const server = await pooled(lab)
    const [first, second] = await containers(lab)
    expect((await lab.supervisorIn(first ?? '')).used).toBe(false)
    await server.acquire('ada')
    const own = (await lab.container('ada'))?.name ?? ''
    expect((await lab.supervisorIn(own)).used).toBe(true)
    expect((await lab.supervisorIn(own === first ? (second ?? '') : (first ?? ''))).used).toBe(false)
  })

  test('has it for good: other servers, a restart and an eviction find the same workspace', async () => {
    const lab = await registryLab()
    const server = await pooled(lab)
    ;(await server.acquire('ada')).release()
    const slot = (await lab.container('ada'))?.name ?? ''
    const other = lab.server()
    expect((await other.acquire('ada')).notice).toBeUndefined()
    expect((await lab.container('ada'))?.name).toBe(slot)
    await lab.engine.containers.remove(slot)
    expect((await lab.server().acquire('ada')).notice).toBe('resumed')
    expect((await lab.container('ada'))?.effective.mounts).toMatchObject([{ name: slot }])
  })

  test('without a name gets one too, and leaves nothing of it', async () => {
    const lab = await registryLab()
    const server = await pooled(lab)
    const { user, end } = server.anonymousUser()
    const lease = await server.acquire(user)
    const { users } = await listHoldings(lab.engine, INSTALLATION)
    expect(users).toMatchObject([{ owner: { identity: { isAnonymous: true } } }])
    lease.release()
    await end()
    expect((await listHoldings(lab.engine, INSTALLATION)).users).toEqual([])
    await server.close(false)
    expect(await lab.engine.volumes.list({})).toEqual([])
  })

  test('never shares it: of many at once each has their own, and those beyond the pool are made one', async () => {
    const lab = await registryLab()
    const { telemetry, told } = recordingTelemetry()
    const server = await pooled(lab, { ...TWO, telemetry })
    const users = Array.from({ length: 8 }, (_, at) => `user${at}`)
    await Promise.all(users.map((user) => server.acquire(user)))
    const names = await Promise.all(users.map(async (user) => (await lab.container(user))?.name))
    expect(new Set(names).size).toBe(users.length)
    const outcomes = told.filter(([method]) => method === 'poolClaim').map(([, outcome]) => outcome)
    expect(outcomes.filter((outcome) => outcome === 'hit').length).toBeGreaterThanOrEqual(2)
    expect(outcomes).toHaveLength(users.length)
  })

  test('with more memory gets a slot whose limits are changed in place', async () => {
    const lab = await registryLab()
    const memoryBytes = TEST_POLICY.limits.memoryBytes * 2
    const update = vi.spyOn(lab.engine.containers, 'update')
    const server = await pooled(lab, { ...TWO, ...profiles({ limits: { memoryBytes } }) })
    await server.acquire('ada')
    expect(update).toHaveBeenCalledOnce()
    expect((await lab.container('ada'))?.effective.memoryBytes).toBe(memoryBytes)
  })

  test('whose container would differ otherwise is made one, and that is counted', async () => {
    const lab = await registryLab()
    const { telemetry, told } = recordingTelemetry()
    const server = await pooled(lab, { ...TWO, telemetry, ...profiles({ limits: { tmpBytes: 1024 } }) })
    await server.acquire('ada')
    expect((await lab.container('ada'))?.name).toBe(labIdentity('ada').containerName)
    expect(told).toContainEqual(['poolClaim', 'mismatch'])
    expect(server.poolSlots.ready).toBe(2)
  })

  test.each(['ephemeral', 'attach'] as const)('in the mode %s leaves the pool alone', async (name) => {
    const lab = await registryLab()
    const { telemetry, told } = recordingTelemetry()
    const mode = name === 'attach' ? { name, container: 'c', directory: undefined, uid: undefined } : { name }
    const server = await pooled(lab, { ...TWO, telemetry, ...profiles({ mode }) })
    await server.acquire('ada').catch(() => undefined)
    expect(told.filter(([method]) => method === 'poolClaim')).toEqual([])
    expect(server.poolSlots.ready).toBe(2)
  })
})

test('who has a workspace, or only a record, gets that and no slot', async () => {
  const lab = await registryLab()
  ;(await lab.server().acquire('ada')).release()
  await ensureOwner(lab.engine, labIdentity('bob'), { workspace: labIdentity('bob').volumeName })
  const { telemetry, told } = recordingTelemetry()
  const server = await pooled(lab, { ...TWO, telemetry })
  await server.acquire('ada')
  await server.acquire('bob')
  expect((await lab.container('ada'))?.name).toBe(labIdentity('ada').containerName)
  expect((await lab.container('bob'))?.name).toBe(labIdentity('bob').containerName)
  expect(told.filter(([method]) => method === 'poolClaim')).toEqual([])
})

describe('of servers that meet a new user at once', () => {
  test('all agree on one sandbox, and the slots that lost are removed', async () => {
    const lab = await registryLab()
    const servers = await Promise.all(Array.from({ length: 5 }, () => pooled(lab)))
    const leases = await Promise.all(servers.map((server) => server.acquire('ada')))
    expect(leases.filter(({ notice }) => notice === 'created')).toHaveLength(1)
    const { users } = await listHoldings(lab.engine, INSTALLATION)
    expect(users).toHaveLength(1)
    expect(users[0]?.container?.name).toBe(users[0]?.workspace?.name)
    for (const server of servers) await server.close(false)
    expect(await slotsOf(lab)).toEqual([])
    expect(await containers(lab)).toEqual([users[0]?.container?.name])
  })

  test('those without a pool agree, too', async () => {
    const lab = await registryLab()
    const server = await pooled(lab)
    await Promise.all([server, lab.server(), lab.server()].map((each) => each.acquire('ada')))
    expect((await listHoldings(lab.engine, INSTALLATION)).users).toHaveLength(1)
    await server.close(false)
    expect(await containers(lab)).toHaveLength(1)
  })
})

describe('the pool', () => {
  test('is filled again after a claim, and each slot is given out once', async () => {
    const lab = await registryLab()
    const server = await pooled(lab)
    const seen = new Set<string>()
    for (let at = 0; at < 5; at++) {
      await server.acquire(`user${at}`)
      seen.add((await lab.container(`user${at}`))?.name ?? '')
      await vi.waitFor(() => expect(server.poolSlots.ready).toBe(2))
    }
    expect(seen.size).toBe(5)
  })

  test('hands out nothing whose supervisor has not answered', async () => {
    const lab = await registryLab()
    lab.muteNext = true
    const server = lab.server(TWO)
    server.fillPool()
    await vi.waitFor(() => expect(lab.calls('containers.openStream')).toBeGreaterThan(0))
    expect(server.poolSlots.ready).toBe(0)
    lab.muteNext = false
    await server.acquire('ada')
    expect((await lab.container('ada'))?.name).toBe(labIdentity('ada').containerName)
  })

  test('passes over a slot that somebody else has claimed, or that has died', async () => {
    const lab = await registryLab()
    const { telemetry, told } = recordingTelemetry()
    const server = await pooled(lab, { ...TWO, telemetry })
    const [stolen, dead] = await containers(lab)
    ;(await lab.supervisorIn(stolen ?? '')).claimed = true
    lab.engine.kill(dead ?? '')
    await server.acquire('ada')
    expect([stolen, dead]).not.toContain((await lab.container('ada'))?.name)
    expect(told.filter(([method]) => method === 'poolClaim')).toEqual([['poolClaim', 'lost']])
    // What somebody else has is not ours to remove.
    expect(await containers(lab)).toContain(stolen)
  })

  test('pauses when a slot cannot be made, leaves nothing of it, and goes on when it can', async () => {
    const lab = await registryLab()
    lab.engine.fail('containers.start', new SandboxError('engine_failed', 'no'))
    const server = lab.server({ poolSizes: new Map([['test', 1]]) })
    server.fillPool()
    await vi.waitFor(() => expect(lab.calls('containers.start')).toBe(1))
    await vi.waitFor(() => expect(server.poolSlots).toEqual({ ready: 0, starting: 0 }))
    expect(await containers(lab)).toEqual([])
    expect(await lab.engine.volumes.list({})).toEqual([])
    lab.engine.heal()
    await vi.waitFor(() => expect(server.poolSlots.ready).toBe(1), { timeout: 5000 })
  })

  test('leaves the users their places: it shrinks as they come, and grows as they go', async () => {
    const lab = await registryLab()
    const server = await pooled(lab, { ...TWO, maxRunning: 3 })
    const leases = []
    for (const user of ['a', 'b', 'c']) leases.push(await server.acquire(user))
    await vi.waitFor(() => expect(server.poolSlots).toEqual({ ready: 0, starting: 0 }))
    expect(await containers(lab)).toHaveLength(3)
    await server.control('a').destroy({})
    leases[0]?.release()
    await vi.waitFor(() => expect(server.poolSlots.ready).toBe(1))
  })

  test('makes way for a user who needs another kind, and never has more containers than there may be', async () => {
    const lab = await registryLab()
    const server = await pooled(lab, {
      ...TWO,
      maxRunning: 2,
      ...profiles({ limits: { tmpBytes: 1024 } }),
    })
    let most = 0
    const { create } = lab.engine.containers
    vi.spyOn(lab.engine.containers, 'create').mockImplementation(async (...args) => {
      const made = await create(...args)
      most = Math.max(most, (await containers(lab)).length)
      return made
    })
    await server.acquire('ada')
    expect(most).toBe(2)
    expect(server.poolSlots.ready).toBe(1)
  })

  test('gives its memory back before a user’s sandbox is put to sleep, and does not take it again at once', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const lab = await registryLab()
    let availableBytes = 10
    const server = await pooled(lab, {
      ...TWO,
      memory: { read: () => Promise.resolve({ availableBytes, stalledPercent: undefined }), floorBytes: 5 },
    })
    ;(await server.acquire('ada')).release()
    await vi.waitFor(() => expect(server.poolSlots.ready).toBe(2))
    availableBytes = 1
    await vi.advanceTimersByTimeAsync(2000)
    await vi.waitFor(() => expect(server.poolSlots).toEqual({ ready: 1, starting: 0 }))
    expect(await lab.container('ada')).toBeDefined()
    availableBytes = 10
    await vi.advanceTimersByTimeAsync(30_000)
    expect(server.poolSlots.ready).toBe(1)
    await vi.advanceTimersByTimeAsync(31_000)
    await vi.waitFor(() => expect(server.poolSlots.ready).toBe(2))
    await server.close(false)
  })

  test('is gone with its server, also what was being made; what users got stays', async () => {
    const lab = await registryLab()
    const server = await pooled(lab)
    await server.acquire('ada')
    // The next ones are on their way.
    await server.close(false)
    expect(await slotsOf(lab)).toEqual([])
    expect(await containers(lab)).toEqual([(await lab.container('ada'))?.name])
    expect(await lab.engine.volumes.list({ [LABEL.role]: 'slot' })).toHaveLength(1)
  })

  test('a record that the engine may have made is believed at the next call, and nothing is removed that it names', async () => {
    const lab = await registryLab()
    const server = await pooled(lab)
    const { ensure } = lab.engine.volumes
    const spy = vi.spyOn(lab.engine.volumes, 'ensure').mockImplementationOnce(async (...args) => {
      await ensure(...args)
      throw new SandboxError('engine_unreachable', 'It answered too late.')
    })
    await expect(server.acquire('ada')).rejects.toMatchObject({ code: 'engine_unreachable' })
    spy.mockRestore()
    const { volumeName } = await resolveOwner(lab.engine, labIdentity('ada'))
    await server.acquire('ada')
    expect((await lab.container('ada'))?.name).toBe(volumeName)
  })
})
