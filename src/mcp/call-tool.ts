import { codeOf } from '../errors/sandbox-error.ts'
import type { Handover } from '../lib/handover.ts'
import type { Logger } from '../lib/logger.ts'
import type { Telemetry } from '../lib/telemetry.ts'
import type { Admission, CallPlace } from '../registry/admission.ts'
import type { Caller } from '../registry/caller.ts'
import type { LeaseNotice, SandboxProvider } from '../registry/lease.ts'
import { parseArguments } from '../tools/parse-arguments.ts'
import type { Tool } from '../tools/tool.ts'
import type { CallResult } from './protocol.ts'
import { presentCancelled, presentError } from './present-error.ts'
import { toErrorResult, toResult } from './results.ts'

export interface CallDeps {
  readonly provider: SandboxProvider
  readonly admission: Admission
  readonly telemetry: Telemetry
  /** What ways there are for a user's bytes around the model. */
  readonly handoverOf: (user: string) => Handover
  readonly logger: Logger
}

export interface ToolCall {
  readonly tool: Tool
  readonly caller: Caller
  /** As the client sent them. */
  readonly args: unknown
  /** Fires when the client cancels or is gone. */
  readonly signal: AbortSignal
  /** Takes what the call is doing right now; undefined when nobody listens. */
  readonly onProgress?: ((text: string) => void) | undefined
}

/**
 * One tool call: arguments, lease, tool, result. The only catch around tools. Never rejects: whatever goes wrong becomes a result that
 * the model can read. Bad arguments are told before a sandbox is started for them.
 */
export async function callTool(deps: CallDeps, call: ToolCall): Promise<CallResult> {
  const { logger, admission, telemetry } = deps
  const { tool, caller, signal } = call
  const started = performance.now()
  const told: Told = { notice: undefined }
  let outcome = 'ok'
  let result: CallResult
  try {
    const args = parseArguments(tool, call.args)
    result = await admission.run(caller.user, signal, (place) => run(deps, call, args, told, place))
  } catch (error) {
    // After a cancel every failure is its consequence, whatever it looks like.
    const message = signal.aborted ? presentCancelled() : presentError(error, { ...caller, tool: tool.name }, logger)
    outcome = signal.aborted ? 'cancelled' : codeOf(error)
    result = toErrorResult(message, told.notice)
  }
  const ms = performance.now() - started
  telemetry.toolCall(tool.name, outcome, ms)
  logger.debug({ user: caller.user, tool: tool.name, ms: Math.round(ms), outcome, notice: told.notice }, 'tool call')
  return result
}

/** What the result must tell beside the outcome, also when the tool fails. */
interface Told {
  notice: LeaseNotice | undefined
}

async function run(
  { provider, handoverOf }: CallDeps,
  { tool, caller, signal, onProgress }: ToolCall,
  args: Record<string, unknown>,
  told: Told,
  place: CallPlace,
): Promise<CallResult> {
  const context = { control: provider.control(caller.user), signal, onProgress }
  if (tool.manages) return toResult(await tool.run(args, context), undefined)
  const lease = await provider.acquire(caller.user, { signal, place, ...(onProgress && { onProgress }) })
  try {
    told.notice = lease.notice
    const handover = handoverOf(caller.user)
    return toResult(await tool.run(args, { ...context, sandbox: lease.sandbox, handover }), lease.notice)
  } finally {
    lease.release()
  }
}
