import type { Tool, ToolContext } from '../../src/tools/tool.ts'
import { NO_HANDOVER } from '../../src/lib/handover.ts'
import { parseArguments } from '../../src/tools/parse-arguments.ts'
import { FakeControl } from './fake-control.ts'
import { FakeSupervisor } from './fake-supervisor.ts'

/** Runs a tool as a call does, arguments checked first, over the given supervisor. */
export async function runTool(
  tool: Tool,
  args: unknown,
  fake = new FakeSupervisor(),
  context: Partial<ToolContext> = {},
) {
  const sandbox = fake.sandbox()
  return tool.run(parseArguments(tool, args), {
    sandbox,
    control: new FakeControl(),
    handover: NO_HANDOVER,
    signal: new AbortController().signal,
    ...context,
  })
}
