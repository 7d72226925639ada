import { createHash, randomUUID } from 'node:crypto'
import type { ContainerDetails, Containers, ContainerSpec, ContainerSummary, Labels } from '../../src/engine/engine.ts'
import type { EffectiveProfile } from '../../src/engine/engine.ts'
import { findLimitMismatches, findMismatches, type Mismatch, wantedProfile } from '../../src/engine/verify.ts'
import { SandboxError } from '../../src/errors/sandbox-error.ts'
import { hasLabels, type FakeContainer, type FakeWorld } from './fake-world.ts'
import { containerSpec } from './specs.ts'
import { memoryStream } from './memory-stream.ts'

/** Ends a container as if it had been killed from outside, or had run out of memory. */
export type Kill = (idOrName: string, end?: { readonly exitCode?: number; readonly oom?: boolean }) => void

/** Makes a running container that nobody asked this engine for. */
export type Foreign = (options?: { readonly name?: string; readonly labels?: Labels }) => string

/** SIGKILL and SIGTERM as a shell tells them: 128 + the signal's number. */
const KILLED = 137
const TERMINATED = 143

/** The containers of the fake, and the handle that kills one. */
export function fakeContainers(world: FakeWorld): {
  readonly api: Containers
  readonly kill: Kill
  readonly foreign: Foreign
} {
  const { containers, call } = world
  const find = (idOrName: string): FakeContainer | undefined =>
    containers.get(idOrName) ?? [...containers.values()].find(({ spec }) => spec.name === idOrName)
  const mustFind = (idOrName: string): FakeContainer => {
    const container = find(idOrName)
    if (!container) throw new SandboxError('not_found', 'There is no container of that name.')
    return container
  }
  const end = (container: FakeContainer, exitCode: number, oom = false): void => {
    if (container.state !== 'running' && container.state !== 'paused') return
    container.state = 'exited'
    container.exitCode = exitCode
    container.oomKilled = oom
    for (const stream of container.streams) {
      stream.cut(new SandboxError('engine_failed', 'The container ended, and the program in it.'))
    }
    container.streams.clear()
    if (oom) world.emit('oom', container)
    world.emit('die', container)
  }

  const api: Containers = {
    create: (spec, options) => call('containers.create', options, () => ({ id: create(world, spec) })),

    start: (idOrName, options) =>
      call('containers.start', options, () => {
        const container = mustFind(idOrName)
        if (container.state === 'running') return
        if (container.state === 'paused') throw notPossible('start a paused container')
        container.state = 'running'
        container.startedAtMs = Date.now()
        container.exitCode = undefined
        container.oomKilled = false
        container.incarnation += 1
        world.emit('start', container)
      }),

    stop: (idOrName, options) =>
      call('containers.stop', options, () => end(mustFind(idOrName), options?.graceMs === 0 ? KILLED : TERMINATED)),

    pause: (idOrName, options) =>
      call('containers.pause', options, () => {
        const container = mustFind(idOrName)
        if (container.state === 'paused') return
        if (container.state !== 'running') throw notPossible('pause a container that does not run')
        container.state = 'paused'
        world.emit('pause', container)
      }),

    unpause: (idOrName, options) =>
      call('containers.unpause', options, () => {
        const container = mustFind(idOrName)
        if (container.state === 'running') return
        if (container.state !== 'paused') throw notPossible('unpause a container that is not paused')
        container.state = 'running'
        world.emit('unpause', container)
      }),

    remove: (idOrName, options) =>
      call('containers.remove', options, () => {
        const container = find(idOrName)
        if (!container) return
        const lives = container.state === 'running' || container.state === 'paused'
        if (lives && options?.unlessRunning) return
        end(container, KILLED)
        containers.delete(container.id)
        world.emit('destroy', container)
      }),

    update: (idOrName, limits, options) =>
      call('containers.update', options, () => {
        const container = mustFind(idOrName)
        container.spec = { ...container.spec, limits: { ...container.spec.limits, ...limits } }
        world.emit('update', container)
        refuse(findLimitMismatches(limits, effective(world, container.spec)))
      }),

    inspect: (idOrName, options) =>
      call('containers.inspect', options, () => {
        const container = find(idOrName)
        return container && toDetails(world, container)
      }),

    list: (labels, options) =>
      call('containers.list', options, () =>
        [...containers.values()].filter(({ spec }) => hasLabels(spec.labels, labels)).map(toSummary),
      ),

    putProgram: (idOrName, program, options) =>
      call('containers.putProgram', options, () => {
        if ([program.directory, program.name].some((name) => name.includes('/'))) {
          throw new SandboxError('invalid_argument', 'A program is put under plain names.')
        }
        const container = mustFind(idOrName)
        if (!container.isForeign) throw notPossible('write to a read-only root')
        container.programs.set(program.directory, program)
      }),

    openStream: (idOrName, spec, options) =>
      call('containers.openStream', options, () => {
        const container = mustFind(idOrName)
        if (container.state !== 'running') throw notPossible('run a program in a container that does not run')
        const { host, program } = memoryStream()
        container.streams.add(program)
        if (world.options.onStream) world.options.onStream(container, spec, program)
        else program.cut(new SandboxError('engine_failed', 'The program in the container could not be started.'))
        return host
      }),
  }

  const foreign: Foreign = ({ name = randomUUID(), labels = {} } = {}) => {
    const id = create(world, containerSpec({ name, labels, image: [...world.images.keys()][0] ?? '' }))
    Object.assign(mustFind(id), { state: 'running', isForeign: true, incarnation: 1 })
    return id
  }

  return {
    api,
    foreign,
    kill: (idOrName, { exitCode = KILLED, oom = false } = {}) => end(mustFind(idOrName), exitCode, oom),
  }
}

function create(world: FakeWorld, spec: ContainerSpec): string {
  if (spec.uid === 0 || spec.gid === 0 || spec.bridgeUid === 0) {
    throw new SandboxError('invalid_argument', 'Nothing in a sandbox may run as root.')
  }
  const image = world.images.get(spec.image) ?? [...world.images.values()].find(({ id }) => id === spec.image)
  if (!image) throw new SandboxError('image_unavailable', `The image ${JSON.stringify(spec.image)} is not there.`)
  if ([...world.containers.values()].some((other) => other.spec.name === spec.name)) {
    throw new SandboxError('already_exists', 'The name is taken.')
  }
  refuse(findMismatches(spec, effective(world, spec)))
  const id = createHash('sha256').update(randomUUID()).digest('hex')
  world.containers.set(id, {
    id,
    spec,
    imageId: image.id,
    state: 'created',
    startedAtMs: 0,
    exitCode: undefined,
    oomKilled: false,
    incarnation: 0,
    streams: new Set(),
    programs: new Map(),
    isForeign: false,
  })
  // As Docker does, a volume that does not exist is made, without labels.
  if (spec.volume && !world.volumes.has(spec.volume.name)) world.volumes.set(spec.volume.name, {})
  return id
}

function refuse(mismatches: readonly Mismatch[]): void {
  if (mismatches.length === 0) return
  throw new SandboxError('unsafe_engine', 'The container engine did not apply a protection.', {
    details: { mismatches },
  })
}

function toSummary({ id, spec, state, imageId }: FakeContainer): ContainerSummary {
  return { id, name: spec.name, state, labels: spec.labels, image: imageId }
}

function toDetails(world: FakeWorld, container: FakeContainer): ContainerDetails {
  const { imageId, startedAtMs, exitCode, oomKilled } = container
  return {
    ...toSummary(container),
    imageId,
    startedAtMs,
    exitCode,
    oomKilled,
    workDir: container.spec.workDir,
    env: Object.entries(container.spec.env).map(([name, value]) => `${name}=${value}`),
    effective: effective(world, container.spec),
  }
}

function effective({ options }: FakeWorld, spec: ContainerSpec): EffectiveProfile {
  const applied = wantedProfile(spec)
  return options.weaken?.(applied) ?? applied
}

function notPossible(action: string): SandboxError {
  return new SandboxError('engine_failed', `The container engine could not ${action}.`, { details: { status: 409 } })
}
