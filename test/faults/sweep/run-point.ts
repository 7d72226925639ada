import { once } from 'node:events'
import { brokenInvariants, containersOf } from '../../helpers/invariants.ts'
import type { Canary } from '../../helpers/canary.ts'
import type { Installation } from '../../helpers/installation.ts'
import type { CountedRequest, Verdict } from '../../helpers/proxy-fault.ts'
import { type SocketProxy, startSocketProxy } from '../../helpers/socket-proxy.ts'
import { startServer, TestServer } from '../../helpers/start-server.ts'
import { type KillPoint, pointName, requestName } from './kill-point.ts'
import { WorkspaceModel } from './model.ts'
import { BACKGROUND, JOURNAL, type Scenario, type Scene } from './scenario.ts'

/** What one kill did. */
export interface PointResult {
  readonly point: KillPoint
  /** The step that was under way. */
  readonly step: string
  /** From the kill to the end of the connection as the client sees it, in milliseconds. */
  readonly detectionMs: number
  /** From the kill to the error of the call that was out; undefined when none was. */
  readonly errorMs: number | undefined
  /** From the start of the next server to its first answer. */
  readonly recoveryMs: number
  readonly broken: readonly string[]
}

/** The scenario went to its end without this point. */
export class NotReached extends Error {}

/** The whole scenario without a kill. Resolves to the requests that it made, from the start of the server on. */
export async function record(installation: Installation, scenario: Scenario): Promise<readonly CountedRequest[]> {
  const { socketPath = '' } = installation.address
  const proxy = await startSocketProxy(socketPath, {})
  try {
    const user = installation.newUser()
    const env = { ...scenario.env, DOCKER_HOST: `unix://${proxy.socketPath}` }
    await using server = await startServer({ user, installation: installation.name, env })
    const scene = sceneOf(installation, server, proxy)
    for (const step of await scenario.steps()) await step.run(scene)
    return [...proxy.requests]
  } finally {
    await proxy.stop()
  }
}

/** Runs the scenario until the point, kills the server there, starts another, and looks at what is left. */
export async function runPoint(
  installation: Installation,
  canary: Canary,
  scenario: Scenario,
  point: KillPoint,
): Promise<PointResult> {
  const { socketPath = '' } = installation.address
  const user = installation.newUser()
  let killedAt = 0
  let seen = 0
  let killed: TestServer | undefined
  const kill = async (verdict: Verdict): Promise<Verdict> => {
    killedAt = performance.now()
    killed?.kill('SIGKILL')
    await killed?.exited
    return verdict
  }
  let target: CountedRequest | undefined
  const proxy = await startSocketProxy(socketPath, {
    onRequest: (request) => {
      if (killedAt > 0) return 'cut'
      if (requestName(request) !== point.request || ++seen !== point.nth) return undefined
      target = request
      if (point.side === 'after') return undefined
      return kill(point.side === 'within' ? 'half' : 'cut')
    },
    onReply: (request) => {
      if (killedAt > 0) return 'cut'
      return request === target ? kill('cut') : undefined
    },
  })
  try {
    const env = { ...scenario.env, DOCKER_HOST: `unix://${proxy.socketPath}` }
    killed = new TestServer({ user, installation: installation.name, env })
    let closedAt = 0
    killed.child.stdout.once('close', () => (closedAt = performance.now()))
    const scene = sceneOf(installation, killed, proxy)
    const { step, failedAt, done } = await runUntilKilled(scene, scenario)
    if (killedAt === 0) {
      const names = [...new Set(proxy.requests.map(requestName))].join(', ')
      throw new NotReached(`${step}, and no ${pointName(point)} among: ${names}`)
    }
    await killed.exited

    const startedAt = performance.now()
    await using next = await startServer({ user, installation: installation.name, env: scenario.nextEnv })
    await next.output('true')
    const recoveryMs = performance.now() - startedAt
    const broken = await brokenInvariants({
      engine: installation.engine,
      identity: installation.identityOf(user),
      killed,
      next,
      recoveryMs,
      files: scene.model.allowed(),
      journal: JOURNAL,
      succeeded: done.filter((name) => scene.model.certain(JOURNAL).includes(`${name}\n`)),
      // Begun, and nobody was told that it ended.
      mayRun:
        step === 'end the background process' || scene.processes.size > 0 || step === 'background' ? [BACKGROUND] : [],
      poolSize: scenario.poolSize,
      mayLast: scenario.mayLast,
      canary,
    })
    await next.call('sandbox_manage', { action: 'destroy' })
    return {
      point,
      step,
      detectionMs: closedAt - killedAt,
      errorMs: failedAt === undefined ? undefined : failedAt - killedAt,
      recoveryMs,
      broken,
    }
  } finally {
    if (killed && killed.child.exitCode === null && killed.child.signalCode === null) {
      killed.kill('SIGKILL')
      await once(killed.child, 'close')
    }
    await proxy.stop()
  }
}

interface Progress {
  /** The step that failed, or "the start" of the server. */
  readonly step: string
  /** When its call failed. */
  readonly failedAt: number | undefined
  readonly done: readonly string[]
}

async function runUntilKilled(scene: Scene, scenario: Scenario): Promise<Progress> {
  const done: string[] = []
  let step = 'the start'
  try {
    await scene.server.connect()
    for (const each of await scenario.steps()) {
      step = each.name
      await each.run(scene)
      done.push(step)
    }
    // Late requests of a server that has nothing left to do, such as at its end.
    step = 'the end'
    scene.server.endInput()
    await scene.server.exited
    return { step, failedAt: undefined, done }
  } catch (error) {
    // Of a server that was not killed: a fault of the scenario.
    const { signal } = await Promise.race([scene.server.exited, Promise.resolve({ signal: undefined })])
    if (signal === undefined && scene.server.child.signalCode === null && !scene.server.child.killed) throw error
    return { step, failedAt: performance.now(), done }
  }
}

function sceneOf(installation: Installation, server: TestServer, { requests }: SocketProxy): Scene {
  const { engine } = installation
  const identity = installation.identityOf(server.user)
  return {
    server,
    model: new WorkspaceModel(),
    container: async () => (await containersOf(engine, identity))[0],
    hasWorkspace: async () => (await installation.volumes(server.user)).length > 0,
    requests,
    processes: new Map(),
  }
}
