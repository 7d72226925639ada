import { randomBytes } from 'node:crypto'
import type { ContainerDetails } from '../../src/engine/engine.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { findContainer, resolveOwner } from '../../src/registry/owner.ts'
import { Registry } from '../../src/registry/registry.ts'
import type { RegistryDeps } from '../../src/registry/registry-deps.ts'
import type { UserProfile } from '../../src/registry/modes/user-profile.ts'
import { DiskFloor } from '../../src/registry/quota/disk-floor.ts'
import { NO_LIMITS } from '../../src/registry/quota/limits.ts'
import { containerSpec, type SandboxPolicy, userPlace } from '../../src/registry/sandbox-spec.ts'
import { identityOf, newSlotName, slotLabels, volumeLabels } from '../../src/registry/identity.ts'
import type { ReadyRuntime } from '../../src/runtimes/ready-runtime.ts'
import { FrameType } from '../../src/supervisor/protocol.ts'
import { createFakeEngine, type FakeEngine } from './fake-engine.ts'
import type { FakeEngineOptions } from './fake-world.ts'
import { fieldsOf, type HostFrame, ScriptedSupervisor } from './scripted-supervisor.ts'
import { TEST_LIMITS } from './specs.ts'
import { reply } from './supervisor-frames.ts'

export const TEST_POLICY: SandboxPolicy = {
  limits: TEST_LIMITS,
  workspace: { limits: NO_LIMITS, volumeOptions: {} },
  network: 'none',
  ociRuntime: undefined,
  maxTimeoutMs: 3_600_000,
  sinceMs: 1_000_000,
  idleExitMs: 0,
}

/** What the operator says about every user of the lab. */
export const TEST_PROFILE: UserProfile = {
  runtime: 'test',
  mode: undefined,
  defaultMode: 'persistent',
  limits: {},
  workspaceBytes: undefined,
  idleTimeoutMs: 0,
}

/** What tests change of it most. */
interface LabProfile {
  readonly idleTimeoutMs?: number
  readonly runtimeOf?: (user: string) => string
}

export type ServerOverrides = Partial<RegistryDeps> & LabProfile

/** What the supervisor of one container would know. */
export interface SupervisorState {
  readonly bootId: Buffer
  /** Commands that run, whoever started them. */
  running: number
  /** Since somebody used it. */
  idleMs: number
  /** An eviction holds all use. */
  held: boolean
  /** Who does, where a connection of the lab does: it alone can end the hold, and nobody else gets one meanwhile. */
  holder: ScriptedSupervisor | undefined
  /** It stands still: what it is asked is answered when this resolves. */
  frozen: Promise<void> | undefined
  /** Some server has claimed it. */
  claimed: boolean
  /** A call was made in it. */
  used: boolean
  /** It does not even greet. */
  mute: boolean
  readonly connections: Set<ScriptedSupervisor>
}

/** Registries over one fake engine, whose containers each have a supervisor that answers what the registry asks. */
export interface RegistryLab {
  readonly engine: FakeEngine
  readonly runtime: ReadyRuntime
  /** Another server of the same installation. */
  server(overrides?: ServerOverrides): Registry
  /** The user's container, if there is one. */
  container(user: string): Promise<ContainerDetails | undefined>
  supervisorOf(user: string): Promise<SupervisorState>
  /** The supervisor in a container that somebody has connected to, by the container's name. */
  supervisorIn(containerName: string): Promise<SupervisorState>
  calls(method: string): number
  /** Containers made from now on have a supervisor that never greets. */
  muteNext: boolean
  /** Exit codes of the next bridges, in turn, instead of a connection. */
  readonly bridgeExits: number[]
  /** Of the programs that end every process of a uid, beside the supervisor. */
  readonly kills: { readonly containerId: string; readonly uid: number }[]
  /** What such a program does to the sandbox, and its exit code. */
  onKill: (state: SupervisorState) => number
  /** Asked at each QUIESCE; its promise delays the answer. */
  onQuiesce: (() => Promise<void> | undefined) | undefined
}

const INSTALLATION = 'test'
const IMAGE = 'sandbox-mcp/test:1'

export async function registryLab(options: FakeEngineOptions = {}): Promise<RegistryLab> {
  const states = new Map<string, SupervisorState & { readonly incarnation: number }>()
  const engine = createFakeEngine({
    images: [IMAGE],
    ...options,
    onStream({ id, incarnation }, { command, uid }, program) {
      const known = states.get(id)
      const state = known?.incarnation === incarnation ? known : { ...newState(lab.muteNext), incarnation }
      states.set(id, state)
      if (command[1] === 'kill') {
        lab.kills.push({ containerId: id, uid })
        program.exit(lab.onKill(state))
        return
      }
      const exitCode = lab.bridgeExits.shift()
      if (exitCode !== undefined) {
        program.exit(exitCode)
        return
      }
      const supervisor = new ScriptedSupervisor(program)
      state.connections.add(supervisor)
      supervisor.answer = (frame) => answer(lab, state, supervisor, frame)
      if (!state.mute) void supervisor.send(reply.hello({ bootId: state.bootId, build: 'test+claim' }))
    },
  })
  const image = await engine.images.inspect(IMAGE)
  if (!image) throw new Error('the fake engine has no image')
  const runtime: ReadyRuntime = {
    name: 'test',
    description: 'for tests',
    imageId: image.id,
    digest: 'd1',
    tag: IMAGE,
    sizeBytes: 1,
    env: { PATH: '/usr/bin:/bin' },
    packages: [{ manager: 'pip', packages: ['numpy'] }],
    base: 'sandbox-mcp/base:bookworm',
    workDir: '/workspace',
  }
  const lab: RegistryLab = {
    engine,
    runtime,
    muteNext: false,
    bridgeExits: [],
    kills: [],
    onKill: () => 0,
    onQuiesce: undefined,
    server: ({ idleTimeoutMs = 0, runtimeOf = () => 'test', ...overrides } = {}) =>
      new Registry({
        engine,
        policy: TEST_POLICY,
        installation: INSTALLATION,
        info: () => engine.info(),
        runtime: (name) => Promise.resolve({ ...runtime, name }),
        runtimes: ['test', 'other'],
        profiles: {
          of: (user) => ({ ...TEST_PROFILE, runtime: runtimeOf(user), idleTimeoutMs }),
          named: [],
          shortestIdleMs: idleTimeoutMs,
        },
        packages: { fetch: () => Promise.reject(new Error('no packages in this lab')) },
        forgetRuntime: () => {},
        freezeAfterMs: 0,
        archiveAfterMs: 0,
        maxSandboxes: 0,
        maxRunning: 100,
        queueTimeoutMs: 0,
        maxStarts: 8,
        isEmptyVolume: () => Promise.resolve(true),
        disk: { floor: new DiskFloor(0), local: () => Promise.resolve(undefined) },
        logger: silentLogger,
        ...overrides,
      }),
    container: async (user) => findContainer(engine, await resolveOwner(engine, identityOf(INSTALLATION, user))),
    async supervisorOf(user) {
      const container = await lab.container(user)
      const state = container && states.get(container.id)
      if (!state) throw new Error(`no supervisor for ${user}`)
      return state
    },
    async supervisorIn(containerName) {
      const container = await engine.containers.inspect(containerName)
      const state = container && states.get(container.id)
      if (!state) throw new Error(`no supervisor in ${containerName}`)
      return state
    },
    calls: (method) => engine.calls.filter((call) => call === method).length,
  }
  return lab
}

/** The name of a user's container and volume in the lab. */
export function labIdentity(user: string, isAnonymous = false) {
  return identityOf(INSTALLATION, user, isAnonymous)
}

/** A slot of the lab's installation that runs and has no user. Resolves to its name. */
export async function makeSlot(
  { engine, runtime }: Pick<RegistryLab, 'engine' | 'runtime'>,
  uid = 1_100_007,
): Promise<string> {
  const name = newSlotName()
  const labels = slotLabels({
    installation: INSTALLATION,
    runtime: runtime.name,
    digest: runtime.digest,
    uid,
    poolKey: 'k',
  })
  await engine.volumes.ensure(name, labels)
  const { id } = await engine.containers.create(
    containerSpec({ name, volumeName: name, labels, uid }, runtime, TEST_POLICY),
  )
  await engine.containers.start(id)
  return name
}

/** Puts a container into the engine as another server of this installation would have. */
export async function foreignMade(lab: RegistryLab, user: string, uid = 1_200_000): Promise<string> {
  const identity = labIdentity(user)
  await lab.engine.volumes.ensure(identity.volumeName, volumeLabels(identity, uid))
  return (
    await lab.engine.containers.create(
      containerSpec(userPlace(identity, identity.volumeName, uid, lab.runtime), lab.runtime, TEST_POLICY),
    )
  ).id
}

function newState(mute: boolean): SupervisorState {
  return {
    bootId: randomBytes(16),
    running: 0,
    claimed: false,
    used: false,
    idleMs: Infinity,
    held: false,
    holder: undefined,
    frozen: undefined,
    mute,
    connections: new Set(),
  }
}

function answer(
  lab: RegistryLab,
  state: SupervisorState,
  supervisor: ScriptedSupervisor,
  frame: HostFrame,
): Buffer | undefined {
  const { type, channel } = frame
  if (type === FrameType.quiesce) {
    const delayed = lab.onQuiesce?.()
    const quiesced = () => {
      const isHeldByOther = state.held && state.holder !== undefined && state.holder !== supervisor
      const fields = fieldsOf(frame)
      const minIdleMs = fields.u64()
      const holdMs = fields.u32()
      const ok = state.running === 0 && state.idleMs >= minIdleMs && !isHeldByOther
      const others = [...state.connections].filter((each) => each !== supervisor && !each.isClosed)
      if (holdMs === 0 && !isHeldByOther) {
        if (state.held) for (const other of others) void other.send(reply.ok(0))
        state.held = false
      } else if (holdMs > 0 && ok) {
        for (const other of others) void other.send(reply.error(0, 'quiescing'))
        Object.assign(state, { held: true, holder: supervisor })
      }
      return reply.quiesced(channel, ok, Number.isFinite(state.idleMs) ? state.idleMs : 0, state.running)
    }
    if (!delayed) return quiesced()
    void delayed.then(() => supervisor.send(quiesced()))
    return undefined
  }
  if (state.frozen) {
    void state.frozen.then(() => {
      state.frozen = undefined
      const answered = answer(lab, state, supervisor, frame)
      return answered && supervisor.send(answered)
    })
    return undefined
  }
  if (type === FrameType.ping) return reply.ok(channel)
  if (type === FrameType.commands) {
    const running = Array.from({ length: state.running }, (_, at) => `abc-${at + 1}`)
    return reply.commands(
      channel,
      running.map((id) => ({ id, status: 'running', command: 'sleep' })),
    )
  }
  if (type === FrameType.cancel) {
    state.running--
    return reply.ok(channel)
  }
  if (type === FrameType.list) return reply.entries(channel, [])
  if (type === FrameType.wait) return reply.result(channel, { status: 'cancelled' })
  if (type === FrameType.killAll) {
    state.running = 0
    return reply.ok(channel)
  }
  if (type === FrameType.info) {
    const connections = [...state.connections].filter(({ isClosed }) => !isClosed).length
    return reply.info(channel, connections, { uptimeMs: 1000, idleMs: state.used ? 0 : 1000 })
  }
  if (type === FrameType.claim) {
    const first = !state.claimed
    state.claimed = true
    return reply.ok(channel, first ? 1 : 0)
  }
  if (type !== FrameType.stat) return undefined
  state.used = true
  return state.held ? reply.error(channel, 'quiescing') : reply.stat(channel)
}
