import type { Engine } from '../../engine/engine.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { RecoveryStep } from '../../lib/telemetry.ts'
import type { SupervisorClient } from '../../supervisor/client.ts'
import { SUPERVISOR_PATH } from '../../supervisor/protocol.ts'
import { connect } from '../connect.ts'

/** A sandbox that does not answer, as it was found. */
export interface Patient {
  readonly id: string
  /** Unix time in ms of its start: with another one somebody else has helped it. */
  readonly startedAtMs: number
  /** The user's. */
  readonly uid: number
}

/** One attempt to make a sandbox answer again. It fails by throwing; whether it helped is seen by asking the sandbox. */
export interface Step {
  readonly name: RecoveryStep
  readonly deadlineMs: number
  run(engine: Engine, patient: Patient, signal: AbortSignal): Promise<void>
}

/** Between SIGTERM and SIGKILL, in milliseconds. */
const GRACE_MS = 1000
const END_COMMANDS_MS = 5000

/** Ends what the user's commands are, politely. What they left running in the background goes on. */
const endCommands: Step = {
  name: 'end_commands',
  deadlineMs: END_COMMANDS_MS + 1000,
  run: (engine, { id }, signal) =>
    withClient(engine, id, signal, async (client) => {
      const running = (await client.commands({ signal })).filter(({ status }) => status === 'running')
      const budget = { waitMs: END_COMMANDS_MS, head: 0, tail: 0 }
      await Promise.all(
        running.map(async (command) => {
          await client.cancel(command.id, GRACE_MS, { signal })
          await client.wait(command.id, budget, { signal })
        }),
      )
    }),
}

/** Ends every process of the user, by the supervisor. */
const killAll: Step = {
  name: 'kill_all',
  deadlineMs: 5000,
  run: (engine, { id }, signal) => withClient(engine, id, signal, (client) => client.killAll({ signal })),
}

/**
 * The same without the supervisor: its own program, started beside it as the user's uid, so that no program of the image is needed and none
 * can be put in its place. PID 1 takes no signal from inside.
 */
const kill: Step = {
  name: 'kill',
  deadlineMs: 5000,
  async run(engine, { id, uid }, signal) {
    const stream = await engine.containers.openStream(id, { command: [SUPERVISOR_PATH, 'kill'], uid }, { signal })
    const close = () => stream.close()
    signal.addEventListener('abort', close, { once: true })
    try {
      const { error, stderr } = await new Promise<{ error?: Error; stderr: string }>((resolve) => {
        stream.onClose(resolve)
        // It says nothing; only what is read comes to its end.
        stream.onData(() => {})
      })
      signal.throwIfAborted()
      if (error) throw new SandboxError('engine_failed', 'The processes could not be ended.', { details: { stderr } })
    } finally {
      signal.removeEventListener('abort', close)
    }
  },
}

/** Ends everything, the supervisor included, and starts the same container again: the workspace and the limits stay, /tmp is empty. */
const restart: Step = {
  name: 'restart',
  deadlineMs: 20_000,
  async run(engine, { id }, signal) {
    await engine.containers.stop(id, { graceMs: 0, signal })
    await engine.containers.start(id, { signal })
  },
}

/** What is wrong: it says nothing at all · connections can be made, but end again and again from inside. */
export type Symptom = 'silent' | 'cut'

/** From the mildest to the hardest. Who is silent takes no orders, so there the first two are left out. */
export const STEPS: Readonly<Record<Symptom, readonly Step[]>> = {
  cut: [endCommands, killAll, kill, restart],
  silent: [kill, restart],
}

async function withClient(
  engine: Engine,
  containerId: string,
  signal: AbortSignal,
  use: (client: SupervisorClient) => Promise<unknown>,
): Promise<void> {
  const client = await connect(engine, containerId, { signal, deadlineMs: ANSWER_MS })
  try {
    await use(client)
  } finally {
    client.connection.close('the step is over')
  }
}

/** How long a supervisor that is well may take for an answer, in milliseconds. */
export const ANSWER_MS = 5000
