import { afterEach, describe, expect, test, vi } from 'vitest'
import { LABEL, volumeLabels } from '../../../../src/registry/identity.ts'
import { containerSpec, userPlace } from '../../../../src/registry/sandbox-spec.ts'
import { settle } from '../../../helpers/pass-time.ts'
import { recordingTelemetry } from '../../../helpers/recording-telemetry.ts'
import { labIdentity, registryLab, type RegistryLab, TEST_POLICY } from '../../../helpers/registry-lab.ts'
import { containerSpec as plainSpec } from '../../../helpers/specs.ts'

afterEach(() => vi.useRealTimers())

const ADA = 'ada'
const BOB = 'bob'
const UID = 1_200_000
const WORKSPACES = { [LABEL.role]: 'workspace' }
const NOTHING = { ended: 0, half_made: 0, helper: 0, unheld: 0 }

/** A container of a user as a server leaves it that dies between making and starting it. */
async function halfMade(lab: RegistryLab, user: string): Promise<string> {
  const identity = labIdentity(user)
  await lab.engine.volumes.ensure(identity.volumeName, volumeLabels(identity, UID))
  const place = userPlace(identity, identity.volumeName, UID, lab.runtime)
  return (await lab.engine.containers.create(containerSpec(place, lab.runtime, TEST_POLICY))).id
}

describe('a look', () => {
  test('removes what has ended, and spares what runs', async () => {
    const lab = await registryLab()
    const server = lab.server()
    await server.acquire(ADA)
    await lab.server().acquire(BOB)
    lab.engine.kill((await lab.container(BOB))?.id ?? '')
    expect(await server.look()).toEqual({ ...NOTHING, ended: 1 })
    expect(await lab.container(BOB)).toBeUndefined()
    expect((await lab.container(ADA))?.state).toBe('running')
    expect(await lab.engine.volumes.list(WORKSPACES)).toHaveLength(2)
  })

  test('removes what was never started, but only after longer than any server takes', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const lab = await registryLab()
    const server = lab.server()
    const id = await halfMade(lab, ADA)
    expect(await server.look()).toEqual(NOTHING)
    vi.advanceTimersByTime(119_000)
    expect(await server.look()).toEqual(NOTHING)
    expect((await lab.container(ADA))?.id).toBe(id)
    vi.advanceTimersByTime(1000)
    expect(await server.look()).toEqual({ ...NOTHING, half_made: 1 })
    // The next call begins anew, on the same files.
    expect((await server.acquire(ADA)).notice).toBe('resumed')
  })

  test.each([{}, { [LABEL.role]: 'runtime' }])('leaves alone what somebody else made and labelled %j', async (own) => {
    const lab = await registryLab()
    const labels = { [LABEL.installation]: labIdentity('any').installation, ...own }
    const { id } = await lab.engine.containers.create(plainSpec({ name: 'plain', image: lab.runtime.imageId, labels }))
    await lab.engine.containers.start(id)
    lab.engine.kill(id)
    expect(await lab.server().look()).toEqual(NOTHING)
    expect(await lab.engine.containers.inspect(id)).toBeDefined()
  })

  test('removes helpers whose server is gone', async () => {
    const lab = await registryLab()
    const labels = { [LABEL.installation]: 'test', [LABEL.role]: 'fetch', 'sandbox-mcp.since': String(Date.now()) }
    const image = lab.runtime.imageId
    await lab.engine.volumes.ensure('v', {})
    const ended = await lab.engine.containers.create(plainSpec({ name: 'ended', labels, image }))
    const made = await lab.engine.containers.create(plainSpec({ name: 'made', labels, image }))
    await lab.engine.containers.start(ended.id)
    await lab.engine.containers.stop(ended.id)
    expect(await lab.server().look()).toEqual({ ...NOTHING, helper: 1 })
    expect((await lab.engine.containers.list({})).map(({ id }) => id)).toEqual([made.id])
  })

  test('puts to sleep what a killed server left and nobody uses', async () => {
    const lab = await registryLab()
    const idleTimeoutMs = 600_000
    await lab.server({ idleTimeoutMs }).acquire(ADA)
    await lab.server({ idleTimeoutMs }).acquire(BOB)
    ;(await lab.supervisorOf(BOB)).running = 1
    const { telemetry, told } = recordingTelemetry()
    expect(await lab.server({ idleTimeoutMs, telemetry }).look()).toEqual({ ...NOTHING, unheld: 1 })
    expect(await lab.container(ADA)).toBeUndefined()
    expect((await lab.container(BOB))?.state).toBe('running')
    expect(told).toEqual([['reconciled', 'unheld']])
  })

  test('leaves what this server holds to its own idle clock', async () => {
    const lab = await registryLab()
    const server = lab.server({ idleTimeoutMs: 600_000 })
    await server.acquire(ADA)
    const opened = lab.calls('containers.openStream')
    expect(await server.look()).toEqual(NOTHING)
    expect(lab.calls('containers.openStream')).toBe(opened)
    await server.close(false)
  })

  test.each([
    ['of another installation', { [LABEL.installation]: 'other' }],
    ['without an installation', { [LABEL.installation]: '' }],
  ])('never touches what is %s, whatever its name', async (_, labels) => {
    const lab = await registryLab()
    const { engine } = lab
    const place = userPlace(labIdentity(ADA), 'v', UID, lab.runtime)
    await engine.volumes.ensure('v', {})
    const spec = containerSpec(place, lab.runtime, TEST_POLICY)
    const { id } = await engine.containers.create({ ...spec, labels: { ...spec.labels, ...labels } })
    await engine.containers.start(id)
    engine.kill(id)
    expect(await lab.server({ idleTimeoutMs: 1000 }).look()).toEqual(NOTHING)
    expect((await engine.containers.inspect(id))?.state).toBe('exited')
  })

  test('is two lists of containers and one of volumes when there is nothing to do, however many sandboxes there are', async () => {
    const lab = await registryLab()
    const server = lab.server()
    for (let user = 0; user < 20; user++) await server.acquire(`user ${user}`)
    // Those that are held are inspected now and then.
    await server.look()
    const before = lab.engine.calls.length
    await server.look()
    expect(lab.engine.calls.slice(before).sort()).toEqual(['containers.list', 'containers.list', 'volumes.list'])
  })

  test('rejects when the engine does not answer, and has removed nothing', async () => {
    const lab = await registryLab()
    await lab.server().acquire(ADA)
    lab.engine.fail('volumes.list', new Error('down'))
    await expect(lab.server({ idleTimeoutMs: 1000 }).look()).rejects.toThrow('down')
    expect(lab.calls('containers.remove')).toBe(0)
  })
})

describe('two servers that look again and again', () => {
  test('never end what the other uses, nor start anything', async () => {
    const lab = await registryLab()
    const servers = [lab.server({ idleTimeoutMs: 600_000 }), lab.server({ idleTimeoutMs: 600_000 })] as const
    await servers[0].acquire(ADA)
    await servers[1].acquire(BOB)
    for (const user of [ADA, BOB]) (await lab.supervisorOf(user)).idleMs = 1000
    const before = await Promise.all([lab.container(ADA), lab.container(BOB)])
    for (let round = 0; round < 5; round++) await Promise.all(servers.map((server) => server.look()))
    expect((await Promise.all([lab.container(ADA), lab.container(BOB)])).map((each) => each?.id)).toEqual(
      before.map((each) => each?.id),
    )
    expect(lab.calls('containers.create')).toBe(2)
    await Promise.all(servers.map((server) => server.close(false)))
  })

  test('remove the same leftovers at the same time without an error', async () => {
    const lab = await registryLab()
    for (const user of [ADA, BOB]) {
      await lab.server().acquire(user)
      lab.engine.kill((await lab.container(user))?.id ?? '')
    }
    await Promise.all([lab.server().look(), lab.server().look()])
    expect(await lab.engine.containers.list({})).toEqual([])
    expect(await lab.engine.volumes.list(WORKSPACES)).toHaveLength(2)
  })

  test('spare a container that is started between a look and its removal', async () => {
    const lab = await registryLab()
    const server = lab.server()
    await lab.server().acquire(ADA)
    const id = (await lab.container(ADA))?.id ?? ''
    lab.engine.kill(id)
    const { list } = lab.engine.volumes
    // Another server restarts it right after this one saw it as ended.
    lab.engine.volumes.list = async (...args) => {
      const volumes = await list(...args)
      await lab.engine.containers.start(id)
      return volumes
    }
    await server.look()
    expect(await lab.container(ADA)).toMatchObject({ id, state: 'running' })
  })
})

describe('events', () => {
  /** A server that follows them, with one sandbox. */
  async function following() {
    const lab = await registryLab()
    const { telemetry, told } = recordingTelemetry()
    const server = lab.server({ telemetry })
    const lease = await server.acquire(ADA)
    server.reconcileInBackground()
    await settle()
    told.length = 0
    const id = (await lab.container(ADA))?.id ?? ''
    return { lab, server, lease, told, id }
  }

  test('tell at once that a sandbox was ended, and why', async () => {
    const { lab, server, told, id } = await following()
    lab.engine.kill(id, { oom: true })
    await settle()
    expect(told).toEqual([['sandboxDisturbed', 'oom']])
    expect(server.states()).toMatchObject({ in_use: 0, idle: 0 })
    await server.close(false)
  })

  test('of this server’s own doing are no disturbance', async () => {
    const { lab, server, lease, told } = await following()
    lease.release()
    await server.control(ADA).restart({})
    await settle()
    expect(told.filter(([method]) => method === 'sandboxDisturbed')).toEqual([])
    expect((await lab.container(ADA))?.state).toBe('running')
    await server.close(false)
  })

  test('of a pause from outside thaw a sandbox that a call waits for', async () => {
    const { lab, server, told, id } = await following()
    await lab.engine.containers.pause(id)
    await vi.waitFor(async () => expect((await lab.container(ADA))?.state).toBe('running'))
    expect(told.filter(([method]) => method === 'sandboxDisturbed')).toEqual([['sandboxDisturbed', 'pause']])
    await server.close(false)
  })

  test('of a pause from outside leave a sandbox frozen that nobody uses; the next call thaws it', async () => {
    const { lab, server, lease, id } = await following()
    lease.release()
    await lab.engine.containers.pause(id)
    await settle()
    expect((await lab.container(ADA))?.state).toBe('paused')
    await server.acquire(ADA)
    expect(await lab.container(ADA)).toMatchObject({ id, state: 'running' })
    await server.close(false)
  })

  test.each([
    ['an engine that is back', (lab: RegistryLab) => lab.engine.reconnect()],
    ['a sandbox of another server that ended', (lab: RegistryLab, bobs: string) => lab.engine.kill(bobs)],
  ])('of %s make this server look within seconds', async (_, happen) => {
    const { lab, server } = await following()
    await lab.server().acquire(BOB)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    // A new server, whose timers are the faked ones.
    const next = lab.server()
    next.reconcileInBackground()
    await settle()
    const bobs = (await lab.container(BOB))?.id ?? ''
    const looks = () => lab.calls('volumes.list')
    const before = looks()
    happen(lab, bobs)
    await settle()
    expect(looks()).toBe(before)
    await vi.advanceTimersByTimeAsync(2500)
    await settle()
    expect(looks()).toBeGreaterThan(before)
    vi.useRealTimers()
    await Promise.all([server.close(false), next.close(false)])
  })
})

describe('a sandbox that is held and differs from the settings', () => {
  const LATER = { ...TEST_POLICY, sinceMs: TEST_POLICY.sinceMs + 1, limits: { ...TEST_POLICY.limits, tmpBytes: 1024 } }

  test('is made anew by a look once nobody uses it', async () => {
    const lab = await registryLab()
    await lab.server().acquire(ADA)
    const state = await lab.supervisorOf(ADA)
    state.running = 1
    const server = lab.server({ policy: LATER })
    const lease = await server.acquire(ADA)
    const before = (await lab.container(ADA))?.id
    lease.release()
    await server.look()
    expect((await lab.container(ADA))?.id).toBe(before)
    state.running = 0
    await settle()
    await server.look()
    expect(await lab.container(ADA)).toBeUndefined()
    expect((await server.acquire(ADA)).notice).toBe('resumed')
    await server.close(false)
  })

  test('or that lost a protection, likewise', async () => {
    let isWeak = false
    const lab = await registryLab({ weaken: (effective) => (isWeak ? { ...effective, seccomp: false } : effective) })
    const server = lab.server()
    const lease = await server.acquire(ADA)
    isWeak = true
    await server.look()
    expect((await lab.container(ADA))?.state).toBe('running')
    lease.release()
    await settle()
    await server.look()
    expect(await lab.container(ADA)).toBeUndefined()
    await server.close(false)
  })
})
