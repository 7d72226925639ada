import type { CallOptions } from './mcp-client.ts'
import type { ToolCaller } from './tool-caller.ts'

/** Starts a command in the background. Resolves to its process id. */
export async function startInBackground(
  server: ToolCaller,
  command: string,
  args: Record<string, unknown> = {},
): Promise<string> {
  const { status, process_id: id } = await server.exec(command, { wait_s: 0, ...args })
  if (status !== 'running') throw new Error(`ended at once: ${command}`)
  return id as string
}

/** Resolves when the process has printed `text`. */
export async function untilPrinted(server: ToolCaller, id: string, text: string): Promise<void> {
  const { structured, text: shown } = await server.call('process_read', { process_id: id, until: text, wait_s: 50 })
  if (structured?.until_met !== true) throw new Error(`${id} did not print ${text}: ${shown}`)
}

/** The user's processes that run, by the commands that started them. */
export async function runningCommands(server: ToolCaller): Promise<string[]> {
  const { structured } = await server.call('process_read')
  const processes = structured.processes as readonly { readonly status: string; readonly command: string }[]
  return processes.filter(({ status }) => status === 'running').map(({ command }) => command)
}

/** Starts a call of a command that does not end by itself; resolves, once it runs, to the call's own promise. */
export async function midCommand(
  server: ToolCaller,
  command: string,
  options: CallOptions = {},
): Promise<{ readonly answer: ReturnType<ToolCaller['call']> }> {
  const answer = server.call('shell_exec', { command }, options)
  answer.catch(() => {}) // who asked for it looks at it
  // A server that ended answers neither.
  while (!(await runningCommands(server)).some((each) => command.startsWith(each)));
  return { answer }
}

/** The command lines of the sandbox's processes that contain `text`, whoever started them. Sandboxes have no pgrep. */
export async function commandLinesWith(server: ToolCaller, text: string): Promise<string[]> {
  // Over stdin, so that the search does not find itself.
  const script = `
import os
for pid in filter(str.isdigit, os.listdir('/proc')):
    try: line = open(f'/proc/{pid}/cmdline').read().replace('\\0', ' ').strip()
    except OSError: continue
    if ${JSON.stringify(text)} in line: print(line)`
  const lines = await server.output('python3 -', { stdin: script })
  return lines.split('\n').filter((line) => line !== '')
}
