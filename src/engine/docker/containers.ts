import * as z from 'zod'
import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import type {
  CallOptions,
  ChangeableLimits,
  ContainerDetails,
  Containers,
  ContainerSpec,
  ContainerState,
} from '../engine.ts'
import { findLimitMismatches, findMismatches, type Mismatch } from '../verify.ts'
import { containerPath, labelFilter } from './api-path.ts'
import { limitsOf, type CallLimits, type EngineApi } from './call.ts'
import { toContainerBody } from './container-spec.ts'
import { InspectedContainer, ListedContainer, toDetails, toSummary } from './container-view.ts'
import { openExecStream } from './exec-stream.ts'
import { findImage } from './images.ts'
import { putProgram } from './put-program.ts'

const READ_DEADLINE_MS = 10_000
const CHANGE_DEADLINE_MS = 30_000
const REMOVE_DEADLINE_MS = 60_000
const STOP_GRACE_MS = 10_000

const Created = z.object({ Id: z.string() })
const ContainerList = z.array(ListedContainer)

/** Containers of a Docker engine; each has the whole hardening profile of container-spec.ts. */
export function dockerContainers(api: EngineApi): Containers {
  return {
    create: (spec, options) => create(api, spec, limitsOf(options, CHANGE_DEADLINE_MS)),

    async start(idOrName, options) {
      await api.send({
        action: 'start the container',
        method: 'POST',
        path: containerPath(idOrName, '/start'),
        absent: [304],
        limits: limitsOf(options, CHANGE_DEADLINE_MS),
      })
    },

    async stop(idOrName, options) {
      const graceMs = options?.graceMs ?? STOP_GRACE_MS
      await api.send({
        action: 'stop the container',
        method: 'POST',
        path: containerPath(idOrName, '/stop'),
        // Whole seconds; 0 kills at once.
        query: { t: Math.ceil(graceMs / 1000) },
        absent: [304],
        limits: limitsOf(options, graceMs + CHANGE_DEADLINE_MS),
      })
    },

    pause: (idOrName, options) => freeze(api, idOrName, 'pause', 'paused', options),
    unpause: (idOrName, options) => freeze(api, idOrName, 'unpause', 'running', options),

    remove: (idOrName, options) =>
      remove(api, idOrName, options?.unlessRunning !== true, limitsOf(options, REMOVE_DEADLINE_MS)),

    update: (idOrName, limits, options) => update(api, idOrName, limits, limitsOf(options, CHANGE_DEADLINE_MS)),

    inspect: (idOrName, options) => inspect(api, idOrName, limitsOf(options, READ_DEADLINE_MS)),

    async list(labels, options) {
      const listed = await api.json(
        {
          action: 'list the containers',
          method: 'GET',
          path: '/containers/json',
          query: { all: 1, filters: labelFilter(labels) },
          limits: limitsOf(options, READ_DEADLINE_MS),
        },
        ContainerList,
      )
      return listed.map(toSummary)
    },

    putProgram: (idOrName, program, options) =>
      putProgram(api, idOrName, program, limitsOf(options, CHANGE_DEADLINE_MS)),

    openStream: (idOrName, spec, options) => openExecStream(api, idOrName, spec, limitsOf(options, CHANGE_DEADLINE_MS)),
  }
}

async function create(api: EngineApi, spec: ContainerSpec, limits: CallLimits): Promise<{ readonly id: string }> {
  if (spec.uid === 0 || spec.gid === 0 || spec.bridgeUid === 0) {
    throw new SandboxError('invalid_argument', 'Nothing in a sandbox may run as root.')
  }
  const image = await findImage(api, spec.image, limits)
  if (!image) {
    throw new SandboxError(
      'image_unavailable',
      `The image ${JSON.stringify(spec.image)} is not on the container engine.`,
    )
  }
  const { Id: id } = await api.json(
    {
      action: 'create the container',
      method: 'POST',
      path: '/containers/create',
      query: { name: spec.name },
      body: toContainerBody(spec, image),
      codes: { 404: 'image_unavailable', 409: 'already_exists' },
      limits,
    },
    Created,
  )
  try {
    await verify(api, id, spec, limits)
  } catch (error) {
    // What could not be verified must not stay where it might be started. It has a deadline of its own: the caller's may be over.
    await dockerContainers(api).remove(id)
    throw error
  }
  return { id }
}

/** Reads back what the engine says is in force. */
async function verify(api: EngineApi, id: string, spec: ContainerSpec, limits: CallLimits): Promise<void> {
  const details = await inspect(api, id, limits)
  if (!details) throw new SandboxError('not_found', 'The container was removed while it was being made.')
  refuse(findMismatches(spec, details.effective))
}

function refuse(mismatches: readonly Mismatch[]): void {
  if (mismatches.length === 0) return
  const names = mismatches.map(({ protection }) => protection).join(', ')
  throw new SandboxError('unsafe_engine', `The container engine did not apply: ${names}.`, { details: { mismatches } })
}

async function inspect(api: EngineApi, idOrName: string, limits: CallLimits): Promise<ContainerDetails | undefined> {
  const inspected = await api.find(
    {
      action: 'inspect the container',
      method: 'GET',
      path: containerPath(idOrName, '/json'),
      absent: [404],
      limits,
    },
    InspectedContainer,
  )
  return inspected && toDetails(inspected)
}

/** Pauses or unpauses. Docker answers 409 both when it is so already, which is fine, and when the container does not run. */
async function freeze(
  api: EngineApi,
  idOrName: string,
  verb: 'pause' | 'unpause',
  wanted: ContainerState,
  options: CallOptions | undefined,
): Promise<void> {
  const limits = limitsOf(options, CHANGE_DEADLINE_MS)
  const action = `${verb} the container`
  try {
    await api.send({ action, method: 'POST', path: containerPath(idOrName, `/${verb}`), limits })
  } catch (error) {
    const details = await inspect(api, idOrName, limits)
    if (details?.state !== wanted) throw error
  }
}

async function update(
  api: EngineApi,
  idOrName: string,
  { memoryBytes, cpus, pids }: ChangeableLimits,
  limits: CallLimits,
): Promise<void> {
  await api.send({
    action: 'change the limits of the container',
    method: 'POST',
    path: containerPath(idOrName, '/update'),
    // Of memory and its sum with swap the engine changes both or refuses; see container-spec.ts for what each is for.
    body: { Memory: memoryBytes, MemorySwap: memoryBytes, NanoCpus: Math.round(cpus * 1e9), PidsLimit: pids },
    limits,
  })
  const details = await inspect(api, idOrName, limits)
  if (!details) throw new SandboxError('not_found', 'The container was removed while its limits were changed.')
  refuse(findLimitMismatches({ memoryBytes, cpus, pids }, details.effective))
}

async function remove(api: EngineApi, idOrName: string, force: boolean, limits: CallLimits): Promise<void> {
  const action = 'remove the container'
  try {
    const query = { force: force ? 1 : 0, v: 0 }
    await api.send({ action, method: 'DELETE', path: containerPath(idOrName), query, absent: [404], limits })
  } catch (error) {
    // 409: it runs, and is not to be killed; or somebody else is removing it at this moment. Wait until the engine has forgotten it, so that its name is free and its
    // volume unused; by id, for a new one may have the name already.
    if (!isSandboxError(error) || error.details['status'] !== 409) throw error
    const leaving = await inspect(api, idOrName, limits)
    if (leaving?.state !== 'exited') return
    await api.send({
      action,
      method: 'POST',
      path: containerPath(leaving.id, '/wait'),
      query: { condition: 'removed' },
      absent: [404],
      limits,
    })
  }
}
