import { BRIDGE_UID, SUPERVISOR_PATH } from './protocol.ts'

export interface InitOptions {
  /** Where the output of commands is kept. */
  readonly spoolDir: string
  /** Where the user's files are: it, and what holds it, is removed by no request. */
  readonly workspace: string
  /** After this long without use and without any server connected the supervisor ends by itself, in milliseconds. 0: never. */
  readonly idleExitMs: number
}

/** The supervisor as the first program of a container (supervisor/src/init.c). It counts in whole seconds: never less than was asked for. */
export function initCommand({ spoolDir, workspace, idleExitMs }: InitOptions): readonly string[] {
  const options = {
    '--bridge-uid': BRIDGE_UID,
    '--spool': spoolDir,
    '--workspace': workspace,
    '--idle-exit': Math.ceil(idleExitMs / 1000),
  }
  return [SUPERVISOR_PATH, 'init', ...Object.entries(options).flatMap(([name, value]) => [name, String(value)])]
}
