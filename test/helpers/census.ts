import type { ToolCaller } from './tool-caller.ts'

/** Marks our own shell in the list of processes. */
const OURS = ': census'
const LIST = `${OURS}; for each in /proc/[0-9]*; do tr '\\0' ' ' < $each/cmdline 2>/dev/null; echo; done`
const BRIDGE = / connect $/

/** What runs in a sandbox, whoever started it. */
export interface Census {
  /** Streams that servers hold into it. */
  readonly bridges: number
  /** Command lines of everything but the supervisor, its bridges and this look. */
  readonly commands: readonly string[]
}

/** Looks at the processes of the caller's sandbox. Works in images with no more than a shell and coreutils. */
export async function takeCensus(caller: ToolCaller): Promise<Census> {
  const lines = (await caller.output(LIST)).split('\n').filter((line) => line !== '' && !line.includes(OURS))
  const others = lines.filter((line) => !line.startsWith('/.sandbox/'))
  return {
    bridges: lines.filter((line) => BRIDGE.test(line)).length,
    commands: others.map((line) => line.trim()),
  }
}
