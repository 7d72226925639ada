import type { Engine } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatDuration } from '../lib/units.ts'
import { oneLine } from '../lib/visible-text.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import { connect } from '../registry/connect.ts'
import { SPOOL_DIR } from '../registry/sandbox-spec.ts'
import { directLink } from '../sandbox/link.ts'
import { type ProcessInfo, Processes } from '../sandbox/processes.ts'
import { type Output, printTable } from './output.ts'
import { followOutput, type OutputSinks } from './process-output.ts'
import { findSandbox } from './sandboxes.ts'

export interface LogsArgs {
  /** Which command's output; undefined: a list of the commands. */
  readonly id: string | undefined
  /** Until the command ends. */
  readonly follow: boolean
}

export interface LogsDeps {
  readonly engine: Engine
  readonly out: Output
  readonly sinks: OutputSinks
  readonly signal?: AbortSignal | undefined
}

const CONNECT_MS = 5000
const COMMAND_CHARACTERS = 60

/**
 * `sandbox-mcp logs USER [ID]`: the user's commands, running and remembered, or the output of one of them. Starts nothing: of a sandbox that
 * sleeps no command is left. `not_found` when there is no such sandbox or command.
 */
export async function showLogs(identity: SandboxIdentity, { id, follow }: LogsArgs, deps: LogsDeps): Promise<void> {
  const { engine, out, sinks, signal } = deps
  const { state, containerId } = await findSandbox(engine, identity)
  if (containerId === undefined || state !== 'ready') {
    throw new SandboxError('not_found', `The sandbox does not run (${state}), so there are no commands.`, {
      hint: 'Its files are kept; sandbox-mcp exec USER -- COMMAND wakes it.',
    })
  }
  const client = await connect(engine, containerId, { signal: AbortSignal.timeout(CONNECT_MS) })
  try {
    const processes = new Processes(directLink(client), { spoolDir: SPOOL_DIR, mode: 'persistent' })
    if (id !== undefined) return void (await followOutput(processes, id, sinks, { follow, signal }))
    const commands = await processes.list(signal)
    if (out.json) out.write(`${JSON.stringify(commands.map(listed), undefined, 2)}\n`)
    else if (commands.length === 0) out.write('No command has run since the sandbox started.\n')
    else printTable(out, ['ID', 'STATUS', 'STARTED', 'TIME', 'COMMAND'], commands.map(row))
  } finally {
    client.connection.close('asked')
  }
}

function listed({ id, status, exitCode, signal, startedAtMs, durationMs, command }: ProcessInfo) {
  return {
    id,
    status,
    exitCode: exitCode ?? null,
    signal: signal ?? null,
    startedAt: new Date(startedAtMs).toISOString(),
    durationMs,
    command,
  }
}

function row({ id, status, exitCode, signal, startedAtMs, durationMs, command }: ProcessInfo): string[] {
  const how = exitCode === undefined ? (signal ?? status) : `${status} ${exitCode}`
  const started = new Date(startedAtMs).toISOString().replace('T', ' ').slice(0, 19)
  return [id, how, started, formatDuration(durationMs), oneLine(command, COMMAND_CHARACTERS)]
}
