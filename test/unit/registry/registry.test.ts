import { afterEach, describe, expect, test, vi } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { LABEL, volumeLabels } from '../../../src/registry/identity.ts'
import { containerSpec, userPlace } from '../../../src/registry/sandbox-spec.ts'
import { failureOf } from '../../helpers/failure.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'
import { labIdentity, registryLab, type RegistryLab, TEST_POLICY } from '../../helpers/registry-lab.ts'

afterEach(() => vi.useRealTimers())

const ADA = 'ada'

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Puts a container into the engine as another server of this installation would have. */
async function foreignMade(lab: RegistryLab, user: string, uid = 1_200_000): Promise<string> {
  const identity = labIdentity(user)
  await lab.engine.volumes.ensure(identity.volumeName, volumeLabels(identity, uid))
  return (
    await lab.engine.containers.create(
      containerSpec(userPlace(identity, identity.volumeName, uid, lab.runtime), lab.runtime, TEST_POLICY),
    )
  ).id
}

describe('a first call', () => {
  test('makes the volume and the container, and says so', async () => {
    const lab = await registryLab()
    const { notice, sandbox } = await lab.server().acquire(ADA)
    expect(notice).toBe('created')
    expect(sandbox.facts).toMatchObject({ runtime: 'test', workspace: '/workspace', network: 'none' })
    expect(sandbox.facts.env).toMatchObject({ CI: '1', PATH: expect.stringContaining(':/usr/bin:/bin:') })
    expect(await lab.container(ADA)).toMatchObject({ state: 'running' })
    expect(await lab.engine.volumes.inspect(labIdentity(ADA).volumeName)).toMatchObject({
      labels: { [LABEL.role]: 'workspace' },
    })
  })

  test('of fifty at once makes one container', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const leases = await Promise.all(Array.from({ length: 50 }, () => server.acquire(ADA)))
    expect(lab.calls('containers.create')).toBe(1)
    expect(lab.calls('containers.openStream')).toBe(1)
    expect(new Set(leases.map(({ sandbox }) => sandbox)).size).toBe(1)
    expect((await server.acquire(ADA)).notice).toBeUndefined()
  })

  test('of ten servers at once makes one container, which the others adopt', async () => {
    const lab = await registryLab()
    const leases = await Promise.all(Array.from({ length: 10 }, () => lab.server().acquire(ADA)))
    expect(leases.map(({ notice }) => notice).filter((notice) => notice !== undefined)).toEqual(['created'])
    expect(await lab.engine.containers.list({})).toHaveLength(1)
    expect((await lab.supervisorOf(ADA)).connections.size).toBe(10)
  })

  test('of two users makes two', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const [a, b] = await Promise.all([server.acquire('a'), server.acquire('b')])
    expect(a.sandbox).not.toBe(b.sandbox)
    expect(await lab.engine.containers.list({})).toHaveLength(2)
    expect(await lab.engine.volumes.list({ [LABEL.role]: 'workspace' })).toHaveLength(2)
  })

  test('tells what is being done', async () => {
    const lab = await registryLab()
    const texts: string[] = []
    await lab.server().acquire(ADA, { onProgress: (text) => texts.push(text) })
    expect(texts).toEqual(['starting the sandbox'])
  })

  test('of a user whose name is no Unicode is refused', async () => {
    const lab = await registryLab()
    await expect(lab.server().acquire('\ud800')).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

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

describe('notices', () => {
  test('say recreated when another server made it anew', async () => {
    const lab = await registryLab()
    const [first, second] = [lab.server(), lab.server()]
    ;(await first.acquire(ADA)).release()
    const container = await lab.container(ADA)
    await lab.engine.containers.remove(container?.id ?? '')
    await settle()
    expect((await second.acquire(ADA)).notice).toBe('resumed')
    expect((await first.acquire(ADA)).notice).toBe('recreated')
    expect((await first.acquire(ADA)).notice).toBeUndefined()
  })

  test('say resumed when it died between two calls', async () => {
    const lab = await registryLab()
    const server = lab.server()
    ;(await server.acquire(ADA)).release()
    lab.engine.kill((await lab.container(ADA))?.id ?? '')
    await settle()
    const leases = await Promise.all([server.acquire(ADA), server.acquire(ADA)])
    expect(leases.map(({ notice }) => notice)).toEqual(['resumed', 'resumed'])
  })

  test('are not lost when it died within a call, which made it anew', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const { sandbox } = await server.acquire(ADA)
    lab.engine.kill((await lab.container(ADA))?.id ?? '')
    await settle()
    await sandbox.files.stat('/')
    expect((await server.acquire(ADA)).notice).toBe('resumed')
    expect((await server.acquire(ADA)).notice).toBeUndefined()
  })

  test('say nothing when only the connection was lost', async () => {
    const lab = await registryLab()
    const server = lab.server()
    await server.acquire(ADA)
    for (const connection of (await lab.supervisorOf(ADA)).connections) connection.program.cut()
    await settle()
    expect((await server.acquire(ADA)).notice).toBeUndefined()
    expect(lab.calls('containers.create')).toBe(1)
  })
})

describe('a start that fails', () => {
  test.each(['containers.inspect', 'containers.create', 'containers.start', 'containers.openStream', 'volumes.ensure'])(
    'at %s is told, forgotten, and tried again',
    async (method) => {
      const lab = await registryLab()
      const server = lab.server()
      lab.engine.fail(method, new SandboxError('engine_unreachable', 'nobody answers'))
      const failures = await Promise.all([failureOf(server.acquire(ADA)), failureOf(server.acquire(ADA))])
      for (const failure of failures) expect(failure).toMatchObject({ code: 'engine_unreachable' })
      lab.engine.heal()
      await expect(server.acquire(ADA)).resolves.toBeDefined()
    },
  )

  test('leaves no container behind that can never start', async () => {
    const lab = await registryLab()
    const server = lab.server()
    lab.engine.fail('containers.start', new SandboxError('engine_failed', 'exec: no such file'))
    await expect(server.acquire(ADA)).rejects.toMatchObject({ code: 'engine_failed' })
    lab.engine.heal()
    expect(await lab.container(ADA)).toBeUndefined()
    expect((await server.acquire(ADA)).notice).toBe('resumed')
  })

  test('because the image was removed meanwhile looks for the image again, once', async () => {
    const lab = await registryLab()
    let known = { ...lab.runtime, imageId: `sha256:${'0'.repeat(64)}` }
    const forgetRuntime = vi.fn<() => void>(() => (known = lab.runtime))
    const lease = await lab.server({ runtime: () => Promise.resolve(known), forgetRuntime }).acquire(ADA)
    expect(lease.notice).toBe('created')
    expect(forgetRuntime).toHaveBeenCalledTimes(1)
    const gone = lab.server({ runtime: () => Promise.resolve({ ...lab.runtime, imageId: 'sha256:1' }), forgetRuntime })
    await expect(gone.acquire('grace')).rejects.toMatchObject({ code: 'image_unavailable' })
    expect(forgetRuntime).toHaveBeenCalledTimes(2)
  })

  test('because the image is missing is told', async () => {
    const lab = await registryLab()
    const runtime = () => Promise.reject(new SandboxError('image_unavailable', 'no image'))
    await expect(lab.server({ runtime }).acquire(ADA)).rejects.toMatchObject({ code: 'image_unavailable' })
  })

  test('releases its lease', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    lab.engine.fail('containers.create', new SandboxError('engine_failed', 'x'))
    await expect(server.acquire('a')).rejects.toMatchObject({ code: 'engine_failed' })
    lab.engine.heal()
    await expect(server.acquire('b')).resolves.toBeDefined()
  })

  test('goes on when the only one who waits gives up', async () => {
    const lab = await registryLab()
    const image = deferred<void>()
    const server = lab.server({ runtime: () => image.promise.then(() => lab.runtime) })
    const controller = new AbortController()
    const failure = failureOf(server.acquire(ADA, { signal: controller.signal }))
    await settle()
    controller.abort(new Error('too slow'))
    expect(await failure).toMatchObject({ message: 'too slow' })
    image.resolve()
    await settle()
    expect(lab.calls('containers.create')).toBe(1)
    expect((await server.acquire(ADA)).notice).toBe('created')
    expect(lab.calls('containers.create')).toBe(1)
  })

  test('to answer in 45 s is told as still starting, and is found done later', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const lab = await registryLab()
    const image = deferred<void>()
    const server = lab.server({ runtime: () => image.promise.then(() => lab.runtime) })
    const failure = failureOf(server.acquire(ADA))
    await vi.advanceTimersByTimeAsync(45_000)
    expect(await failure).toMatchObject({ code: 'sandbox_starting' })
    image.resolve()
    await settle()
    expect(lab.calls('containers.create')).toBe(1)
    await server.acquire(ADA)
    expect(lab.calls('containers.create')).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('an eviction', () => {
  /** A server that looks for idle sandboxes; time is the test's. */
  async function idleLab() {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
    const lab = await registryLab()
    const { telemetry, told } = recordingTelemetry()
    const server = lab.server({ idleTimeoutMs: 60_000, telemetry })
    return { lab, server, told }
  }

  async function passTime(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms)
    await settle()
  }

  test('removes the container of a sandbox that nobody uses, and keeps its files', async () => {
    const { lab, server, told } = await idleLab()
    ;(await server.acquire(ADA)).release()
    await passTime(45_000)
    expect(await lab.container(ADA)).toBeDefined()
    await passTime(31_000)
    expect(await lab.container(ADA)).toBeUndefined()
    expect(told).toContainEqual(['sandboxEvicted', 'idle'])
    expect(await lab.engine.volumes.inspect(labIdentity(ADA).volumeName)).toBeDefined()
    expect((await server.acquire(ADA)).notice).toBe('resumed')
    await server.close(false)
  })

  test('does not come while there is a lease; a lease given back twice counts once', async () => {
    const { lab, server } = await idleLab()
    const [first] = [await server.acquire(ADA), await server.acquire(ADA)]
    first.release()
    first.release()
    await passTime(200_000)
    expect(await lab.container(ADA)).toBeDefined()
    await server.close(false)
  })

  test('is refused by the supervisor while a command of another server runs', async () => {
    const { lab, server } = await idleLab()
    ;(await server.acquire(ADA)).release()
    const state = await lab.supervisorOf(ADA)
    state.running = 1
    await passTime(200_000)
    expect(await lab.container(ADA)).toBeDefined()
    expect((await server.acquire(ADA)).notice).toBeUndefined()
    await server.close(false)
  })

  test('makes a call that comes meanwhile wait, and then wakes the sandbox', async () => {
    const { lab, server } = await idleLab()
    ;(await server.acquire(ADA)).release()
    const before = await lab.container(ADA)
    const answered = deferred<void>()
    lab.onQuiesce = () => answered.promise
    await passTime(61_000)
    let isThere = false
    const acquiring = server.acquire(ADA).then((lease) => {
      isThere = true
      return lease
    })
    await settle()
    expect(isThere).toBe(false)
    answered.resolve()
    expect((await acquiring).notice).toBe('resumed')
    expect((await lab.container(ADA))?.id).not.toBe(before?.id)
    await server.close(false)
  })

  test('that is refused lets a call that waited go on over the same connection', async () => {
    const { lab, server } = await idleLab()
    ;(await server.acquire(ADA)).release()
    const state = await lab.supervisorOf(ADA)
    state.running = 1
    const answered = deferred<void>()
    lab.onQuiesce = () => answered.promise
    await passTime(61_000)
    const acquiring = server.acquire(ADA)
    await settle()
    answered.resolve()
    expect((await acquiring).notice).toBeUndefined()
    expect(state.connections.size).toBe(1)
    await server.close(false)
  })

  test('by another server makes a request wait for the new container', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const { sandbox } = await server.acquire(ADA)
    const state = await lab.supervisorOf(ADA)
    state.held = true
    const asking = sandbox.files.stat('/')
    await vi.waitFor(() => {
      const [connection] = state.connections
      expect(connection?.received.length).toBeGreaterThan(2)
    })
    await lab.engine.containers.remove((await lab.container(ADA))?.id ?? '')
    await expect(asking).resolves.toMatchObject({ type: 'file' })
    expect(lab.calls('containers.create')).toBe(2)
  })

  test('that fails leaves the sandbox usable', async () => {
    const { lab, server } = await idleLab()
    ;(await server.acquire(ADA)).release()
    lab.engine.fail('containers.remove', new SandboxError('engine_failed', 'busy'))
    await passTime(76_000)
    lab.engine.heal()
    expect((await server.acquire(ADA)).notice).toBeUndefined()
    await server.close(false)
  })
})

describe('at the limit of sandboxes', () => {
  test('the one that was idle longest goes to sleep', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 2 })
    const a = await server.acquire('a')
    const b = await server.acquire('b')
    b.release()
    await new Promise((resolve) => setTimeout(resolve, 2))
    a.release()
    await server.acquire('c')
    expect(await lab.container('b')).toBeUndefined()
    expect(await lab.container('a')).toBeDefined()
    expect(await lab.container('c')).toBeDefined()
  })

  test('a caller is refused while all are in use, and comes through afterwards', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    const leases = [await server.acquire('a'), await server.acquire('a')]
    await expect(server.acquire('b')).rejects.toMatchObject({ code: 'sandbox_limit' })
    leases[0]?.release()
    await expect(server.acquire('b')).rejects.toMatchObject({ code: 'sandbox_limit' })
    leases[1]?.release()
    expect((await server.acquire('b')).notice).toBe('created')
    expect(await lab.container('a')).toBeUndefined()
  })

  test('a sandbox with work in the background is not put to sleep', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    ;(await server.acquire('a')).release()
    ;(await lab.supervisorOf('a')).running = 1
    await expect(server.acquire('b')).rejects.toMatchObject({ code: 'sandbox_limit' })
    expect(await lab.container('a')).toBeDefined()
  })

  test('two new users at once do not both come in', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    const outcomes = await Promise.allSettled([server.acquire('a'), server.acquire('b'), server.acquire('c')])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(await lab.engine.containers.list({})).toHaveLength(1)
  })
})

describe('closing', () => {
  test('leaves the containers, ends the connections, and starts nothing any more', async () => {
    const lab = await registryLab()
    const server = lab.server()
    ;(await server.acquire(ADA)).release()
    await server.close(false)
    expect(await lab.container(ADA)).toMatchObject({ state: 'running' })
    const [connection] = (await lab.supervisorOf(ADA)).connections
    await connection?.closed()
    await expect(server.acquire(ADA)).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('puts idle ones to sleep when asked to, and leaves the others', async () => {
    const lab = await registryLab()
    const server = lab.server()
    ;(await server.acquire('idle')).release()
    ;(await server.acquire('busy')).release()
    ;(await lab.supervisorOf('busy')).running = 1
    await server.close(true)
    expect(await lab.container('idle')).toBeUndefined()
    expect(await lab.container('busy')).toBeDefined()
  })

  test('during a start ends its connection when it comes', async () => {
    const lab = await registryLab()
    const image = deferred<void>()
    const server = lab.server({ runtime: () => image.promise.then(() => lab.runtime) })
    const failure = failureOf(server.acquire(ADA))
    await settle()
    await server.close(false)
    image.resolve()
    expect(await failure).toMatchObject({ code: 'cancelled' })
    await settle()
    const [connection] = (await lab.supervisorOf(ADA)).connections
    await connection?.closed()
  })
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

describe('what is told of sandboxes', () => {
  test('is each start by how it came about, each eviction by why, and how many there are', async () => {
    const lab = await registryLab()
    const { telemetry, told } = recordingTelemetry()
    const server = lab.server({ maxRunning: 1, telemetry })
    expect(server.states()).toEqual({ starting: 0, in_use: 0, idle: 0, frozen: 0 })
    const starting = server.acquire('a')
    await Promise.resolve()
    expect(server.states()).toEqual({ starting: 1, in_use: 0, idle: 0, frozen: 0 })
    const lease = await starting
    expect(server.states()).toEqual({ starting: 0, in_use: 1, idle: 0, frozen: 0 })
    lease.release()
    expect(server.states()).toEqual({ starting: 0, in_use: 0, idle: 1, frozen: 0 })
    await new Promise((resolve) => setTimeout(resolve, 2))
    ;(await server.acquire('b')).release()
    await server.close(true)
    const second = lab.server({ telemetry })
    ;(await second.acquire('b')).release()
    await second.close(false)
    const third = lab.server({ telemetry })
    await third.acquire('b')
    lab.engine.fail('*', new SandboxError('engine_unreachable', 'It does not answer.'))
    await expect(third.acquire('c')).rejects.toMatchObject({ code: 'engine_unreachable' })
    expect(told).toEqual([
      ['sandboxStart', 'created'],
      ['roomWaited'],
      ['sandboxEvicted', 'room'],
      ['sandboxStart', 'created'],
      ['sandboxEvicted', 'exit'],
      ['sandboxStart', 'resumed'],
      ['sandboxStart', 'found'],
      ['sandboxStart', 'engine_unreachable'],
    ])
  })
})

describe('a lease on a sandbox as it is', () => {
  test('is not given to a user who has none, and creates nothing', async () => {
    const lab = await registryLab()
    const server = lab.server()
    expect(await server.acquireExisting(ADA, { wake: false })).toBeUndefined()
    expect(await server.acquireExisting(ADA, { wake: true })).toBeUndefined()
    expect(await lab.engine.containers.list({})).toEqual([])
    expect(await lab.engine.volumes.list({})).toEqual([])
  })

  test('asks the engine nothing while the sandbox is connected, and blocks its eviction', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    ;(await server.acquire(ADA)).release()
    const before = lab.engine.calls.length
    const lease = await server.acquireExisting(ADA, { wake: false })
    expect(lease?.notice).toBeUndefined()
    expect(lab.engine.calls).toHaveLength(before)
    await expect(server.acquire('b')).rejects.toMatchObject({ code: 'sandbox_limit' })
    lease?.release()
    expect((await server.acquire('b')).notice).toBe('created')
  })

  test('adopts a sandbox that runs for another server', async () => {
    const lab = await registryLab()
    ;(await lab.server().acquire(ADA)).release()
    expect(await lab.server().acquireExisting(ADA, { wake: false })).toBeDefined()
    expect(lab.calls('containers.create')).toBe(1)
  })

  test('wakes one that sleeps only when asked to', async () => {
    const lab = await registryLab()
    const server = lab.server()
    ;(await server.acquire(ADA)).release()
    await lab.engine.containers.remove(labIdentity(ADA).containerName)
    await settle()
    expect(await server.acquireExisting(ADA, { wake: false })).toBeUndefined()
    expect(await lab.container(ADA)).toBeUndefined()
    expect(await server.acquireExisting(ADA, { wake: true })).toMatchObject({ notice: 'resumed' })
  })

  test('is not given while the sandbox is being put to sleep, unless it is to be woken', async () => {
    const lab = await registryLab()
    const server = lab.server({ maxRunning: 1 })
    ;(await server.acquire(ADA)).release()
    await new Promise((resolve) => setTimeout(resolve, 2))
    const quiesced = deferred<void>()
    lab.onQuiesce = () => quiesced.promise
    const other = server.acquire('b')
    await settle()
    expect(await server.acquireExisting(ADA, { wake: false })).toBeUndefined()
    quiesced.resolve()
    expect((await other).notice).toBe('created')
    expect(await lab.container(ADA)).toBeUndefined()
  })
})
