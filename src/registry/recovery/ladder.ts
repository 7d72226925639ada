import type { Engine } from '../../engine/engine.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { abortable } from '../../lib/abort.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Telemetry } from '../../lib/telemetry.ts'
import type { SupervisorClient } from '../../supervisor/client.ts'
import { connect } from '../connect.ts'
import { ANSWER_MS, type Patient, type Step, STEPS, type Symptom } from './steps.ts'

export interface RecoveryDeps {
  readonly engine: Engine
  readonly logger: Logger
  readonly telemetry: Telemetry
}

/**
 * The sandbox answers, over this connection · it is no longer as it was found: somebody else has helped it, or it is gone · nothing helped:
 * only a new container on the same files is left.
 */
export type Recovery = SupervisorClient | 'changed' | 'exhausted'

/** An engine that is well tells of a container in milliseconds. Within so many it answers, or counts as slow. */
const ENGINE_ANSWER_MS = 3000

/**
 * Brings a running sandbox that does not answer back, with the mildest step that helps. Each has its own deadline and is counted.
 *
 * Before each step the engine is asked for the container. When the engine itself is slow or silent, that says nothing about the sandbox:
 * nothing is ended, and the caller gets the engine's error (`engine_unreachable`). When the container is not as it was found, another server or
 * a person was faster, and the rest is up to whoever looks next; so two servers never work on one sandbox one after the other.
 */
export async function recover(
  { engine, logger, telemetry }: RecoveryDeps,
  patient: Patient,
  symptom: Symptom,
  signal?: AbortSignal,
  steps: readonly Step[] = STEPS[symptom],
): Promise<Recovery> {
  for (const step of steps) {
    if (!(await isAsFound(engine, patient, signal))) return 'changed'
    const started = performance.now()
    const failure = await attempt(engine, patient, step, signal)
    const answer = failure instanceof Error ? failure : await askAgain(engine, patient, signal)
    const isWell = !(answer instanceof Error)
    telemetry.recoveryStep(step.name, isWell ? 'ok' : 'failed', performance.now() - started)
    logger.warn(
      { container: patient.id, symptom, step: step.name, ...(isWell ? {} : { err: answer }) },
      isWell ? 'the sandbox answers again' : 'the sandbox still does not answer',
    )
    if (isWell) return answer
  }
  return (await isAsFound(engine, patient, signal, true)) ? 'exhausted' : 'changed'
}

async function isAsFound(
  engine: Engine,
  { id, startedAtMs }: Patient,
  signal: AbortSignal | undefined,
  isRestarted = false,
): Promise<boolean> {
  const now = await engine.containers.inspect(id, { deadlineMs: ENGINE_ANSWER_MS, ...(signal ? { signal } : {}) })
  return now?.state === 'running' && (isRestarted || now.startedAtMs === startedAtMs)
}

/** Resolves to why the step failed, or to undefined. Rejects when the caller gives up. */
async function attempt(
  engine: Engine,
  patient: Patient,
  step: Step,
  signal: AbortSignal | undefined,
): Promise<Error | undefined> {
  const deadline = AbortSignal.timeout(step.deadlineMs)
  const either = signal ? AbortSignal.any([signal, deadline]) : deadline
  return await failureOf(abortable(step.run(engine, patient, either), either), signal)
}

/** A connection over which a question was answered, or why there is none. */
async function askAgain(
  engine: Engine,
  { id }: Patient,
  signal: AbortSignal | undefined,
): Promise<SupervisorClient | Error> {
  let client: SupervisorClient
  try {
    client = await connect(engine, id, { signal, deadlineMs: ANSWER_MS })
  } catch (error) {
    signal?.throwIfAborted()
    return asError(error)
  }
  const failure = await failureOf(client.ping({ signal, deadlineMs: ANSWER_MS }), signal)
  if (failure) client.connection.close('it does not answer')
  return failure ?? client
}

async function failureOf(doing: Promise<unknown>, signal: AbortSignal | undefined): Promise<Error | undefined> {
  try {
    await doing
    return undefined
  } catch (error) {
    signal?.throwIfAborted()
    return asError(error)
  }
}

function asError(error: unknown): Error {
  return error instanceof Error
    ? error
    : new SandboxError('internal', 'A step of the recovery failed.', { cause: error })
}
