import type { CallOptions, Engine, EngineEvent, EngineInfo, Labels } from '../../src/engine/engine.ts'
import { SandboxError } from '../../src/errors/sandbox-error.ts'
import { fakeContainers, type Kill } from './fake-containers.ts'
import { fakeImages } from './fake-images.ts'
import { fakeVolumes } from './fake-volumes.ts'
import { hasLabels, type FakeEngineOptions, type FakeWorld } from './fake-world.ts'

/** How a method of the fake misbehaves, until {@link FakeEngine.heal}. */
export type Fault =
  /** Never answers: the call ends by its deadline or its signal. */
  | 'hang'
  /** Fails with this error. */
  | Error

/** An {@link Engine} in memory that passes the same contract as a real one, with handles to make things go wrong. */
export interface FakeEngine extends Engine {
  readonly driver: 'fake'
  /** Makes a method, such as "containers.start", misbehave; "*" is all of them. */
  fail(method: string, fault: Fault): void
  heal(): void
  /** Ends a container as if it had been killed from outside, or had run out of memory. */
  readonly kill: Kill
  /** Tells everybody who follows the events that the engine was away. */
  /** A running container that this engine was not asked for: without any protection. Its id. */
  foreign(options?: { readonly name?: string; readonly labels?: Labels }): string
  reconnect(): void
  /** Names of the methods that were called, in order. */
  readonly calls: readonly string[]
}

export function createFakeEngine(options: FakeEngineOptions = {}): FakeEngine {
  const faults = new Map<string, Fault>()
  const calls: string[] = []
  const listeners = new Set<(event: EngineEvent) => void>()
  const world: FakeWorld = {
    options,
    containers: new Map(),
    volumes: new Map(),
    images: new Map(),
    emit(type, { id, spec }) {
      for (const listener of listeners) listener({ type, containerId: id, labels: spec.labels, timeMs: Date.now() })
    },
    call(method, callOptions, body) {
      calls.push(method)
      return settle(faults.get(method) ?? faults.get('*'), callOptions, body)
    },
  }
  const containers = fakeContainers(world)
  const images = fakeImages(world)

  return {
    driver: 'fake',
    calls,
    containers: containers.api,
    volumes: fakeVolumes(world),
    images,
    fail: (method, fault) => void faults.set(method, fault),
    heal: () => faults.clear(),
    kill: containers.kill,
    foreign: containers.foreign,
    reconnect() {
      for (const listener of listeners) listener({ type: 'reconnected', timeMs: Date.now() })
    },
    ping: (callOptions) => world.call('ping', callOptions, () => undefined),
    info: (callOptions) => world.call('info', callOptions, () => ({ ...INFO, ...options.info })),
    events: (filter, signal) => follow(listeners, filter, signal),
    close: () => Promise.resolve(),
  }
}

const INFO: EngineInfo = {
  version: '1.0.0',
  apiVersion: '1.41',
  platform: 'linux/amd64',
  cpus: 4,
  memoryBytes: 8 * 1024 ** 3,
  userNamespaces: false,
  seccomp: true,
  ociRuntimes: ['runc'],
  components: { Engine: '1.0.0', runc: '1.4.0' },
  cgroup: { version: '2', memory: true, swap: true, pids: true },
  liveRestore: true,
  rootDir: '/var/lib/fake',
}

/** Settles a call as a driver does: by its signal, its deadline, its fault, or its body. */
async function settle<T>(
  fault: Fault | undefined,
  options: CallOptions | undefined,
  body: () => T | Promise<T>,
): Promise<T> {
  const { signal, deadlineMs } = options ?? {}
  if (signal?.aborted) throw cancelled()
  // Every answer comes in a later turn, so that callers cannot rely on an order that a real engine does not give.
  if (fault !== 'hang') await new Promise((resolve) => setImmediate(resolve))
  if (fault instanceof Error) throw fault
  if (fault === undefined && !signal && deadlineMs === undefined) return await body()
  return await new Promise<T>((resolve, reject) => {
    const onAbort = (): void => finish(() => reject(cancelled()))
    const timer =
      deadlineMs === undefined
        ? undefined
        : setTimeout(
            () =>
              finish(() =>
                reject(new SandboxError('engine_unreachable', 'The container engine did not answer in time.')),
              ),
            deadlineMs,
          )
    const finish = (end: () => void): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      end()
    }
    signal?.addEventListener('abort', onAbort)
    if (signal?.aborted) onAbort()
    else if (fault !== 'hang') {
      Promise.resolve()
        .then(body)
        .then(
          (value) => finish(() => resolve(value)),
          (error: unknown) => finish(() => reject(error)),
        )
    }
  })
}

function cancelled(): SandboxError {
  return new SandboxError('cancelled', 'The request was cancelled.')
}

/** Listens from the call on; hands out what arrived until the signal fires. */
function follow(
  listeners: Set<(event: EngineEvent) => void>,
  filter: Labels,
  signal: AbortSignal,
): AsyncIterable<EngineEvent> {
  const waiting: EngineEvent[] = []
  let wake = (): void => undefined
  const listener = (event: EngineEvent): void => {
    if (event.type !== 'reconnected' && !hasLabels(event.labels, filter)) return
    waiting.push(event)
    wake()
  }
  listeners.add(listener)
  signal.addEventListener('abort', () => wake())
  return (async function* () {
    try {
      while (!signal.aborted) {
        const event = waiting.shift()
        if (event) yield event
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      listeners.delete(listener)
    }
  })()
}
