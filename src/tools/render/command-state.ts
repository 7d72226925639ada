import type { CommandState } from '../../sandbox/outcome.ts'

/** How a command stands, in the fewest words: "exit 1", "killed by SIGSEGV", "running". */
export function stateWords(state: CommandState): string {
  switch (state.status) {
    case 'running':
      return 'running'
    case 'exited':
      return `exit ${state.exitCode ?? 'unknown'}`
    case 'signaled':
      return `killed by ${state.signal ?? 'a signal'}`
    case 'timed_out':
      return 'timed out and killed (raise timeout_s, or run it in the background)'
    case 'cancelled':
      return state.reason ?? 'cancelled'
    case 'oom_killed':
      break
  }
  return 'out of memory and killed'
}

/** The fields of a command's state that results share. */
export function stateFields(state: CommandState) {
  return {
    status: state.status,
    ...(state.reason === undefined ? {} : { reason: state.reason }),
    ...(state.exitCode === undefined ? {} : { exit_code: state.exitCode }),
    ...(state.signal === undefined ? {} : { signal: state.signal }),
  }
}

/** Milliseconds to a tenth: finer figures only cost tokens. */
export function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}
