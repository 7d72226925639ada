import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { Logger } from '../lib/logger.ts'
import type { Caller } from '../registry/caller.ts'
import type { LeaseNotice, SandboxLease, SandboxProvider } from '../registry/lease.ts'
import { parseArguments } from '../tools/parse-arguments.ts'
import type { Tool } from '../tools/tool.ts'
import { presentCancelled, presentError } from './present-error.ts'
import { toErrorResult, toResult } from './results.ts'

export interface CallDeps {
  readonly provider: SandboxProvider
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
export async function callTool({ provider, logger }: CallDeps, call: ToolCall): Promise<CallToolResult> {
  const { tool, caller, signal, onProgress } = call
  const started = performance.now()
  let lease: SandboxLease | undefined
  let notice: LeaseNotice | undefined
  let result: CallToolResult
  try {
    const args = parseArguments(tool, call.args)
    const context = { control: provider.control(caller.user), signal, onProgress }
    if (tool.manages) result = toResult(await tool.run(args, context), undefined)
    else {
      lease = await provider.acquire(caller.user, onProgress ? { signal, onProgress } : { signal })
      notice = lease.notice
      result = toResult(await tool.run(args, { ...context, sandbox: lease.sandbox }), notice)
    }
  } catch (error) {
    // After a cancel every failure is its consequence, whatever it looks like.
    const message = signal.aborted ? presentCancelled() : presentError(error, { ...caller, tool: tool.name }, logger)
    result = toErrorResult(message, notice)
  } finally {
    lease?.release()
  }
  const ms = Math.round(performance.now() - started)
  logger.debug({ user: caller.user, tool: tool.name, ms, isError: result.isError === true, notice }, 'tool call')
  return result
}
