import { visibleText } from '../lib/visible-text.ts'
import type { CommandState } from '../sandbox/outcome.ts'
import type { OutputCursor, Processes } from '../sandbox/processes.ts'

/** Where the two streams of a process go. */
export interface OutputSinks {
  stdout(data: Uint8Array): void
  stderr(data: Uint8Array): void
}

export interface FollowOptions {
  /** True: until the process ends; false: what there is now. */
  readonly follow: boolean
  readonly signal?: AbortSignal | undefined
}

/** Bytes of each stream asked for at once. */
const PAGE_BYTES = 256 * 1024
/** How long one request waits for news, in milliseconds. */
const WAIT_MS = 20_000

/** Passes the kept output of a process on, from its start. Resolves with how it stands. */
export async function followOutput(
  processes: Processes,
  id: string,
  sinks: OutputSinks,
  { follow, signal }: FollowOptions,
): Promise<CommandState> {
  let since: OutputCursor = { stdout: 0, stderr: 0 }
  for (;;) {
    const page = await processes.read(
      { id, streams: { stdout: true, stderr: true }, since, maxBytes: PAGE_BYTES, waitMs: follow ? WAIT_MS : 0 },
      signal,
    )
    if (page.stdout.data.length > 0) sinks.stdout(page.stdout.data)
    if (page.stderr.data.length > 0) sinks.stderr(page.stderr.data)
    const isWhole = page.stdout.leftBytes === 0 && page.stderr.leftBytes === 0
    if (isWhole && (!follow || page.state.status !== 'running')) return page.state
    since = page.next
  }
}

/** A sink for this process's own stream: as it is into files and pipes, and without what could steer a terminal on one. */
export function sinkTo(stream: NodeJS.WriteStream): (data: Uint8Array) => void {
  return (data) => void stream.write(stream.isTTY ? visibleText(data) : data)
}
