/**
 * The life of a user's sandbox, in one table. A sandbox that nobody uses goes down step by step, each step with an idle time of its own,
 * and comes back from any of them with the user's next call. Work in flight (a call, an open stream, a command that runs) holds it on
 * `ready`: this server's by its leases, every server's by the supervisor, which refuses the hold (QUIESCE) that each step down needs.
 */

/**
 * absent: there is nothing of the user's · starting: its container is being made, thawed or reached · ready: its supervisor answers ·
 * frozen: its processes stand still, in memory (cgroup freezer) · evicted: its container is gone, its files are on the volume ·
 * archived: its files are in a verified backup, the volume is gone.
 */
export type Rung = 'absent' | 'starting' | 'ready' | 'frozen' | 'evicted' | 'archived'

/** In what state a sandbox came back to the call that is told so; `recreated` when another server, or the operator, made it anew meanwhile. */
export type Notice = 'created' | 'thawed' | 'resumed' | 'recreated'

/**
 * call: a call of the user · answered: its supervisor greets · failed: the start did not succeed · idle: nobody used it for the step's time · memory: this machine runs short of it ·
 * room: another user needs the place · exit: the server ends, and is to leave none behind · lost: its container ended, or was removed by somebody else ·
 * destroyed: the user or the operator asked for it.
 */
export type Trigger = 'call' | 'answered' | 'failed' | 'idle' | 'memory' | 'room' | 'exit' | 'lost' | 'destroyed'

/** The idle times of the steps, in milliseconds; 0: never. `archive` counts from when the sandbox fell asleep, the others from its last use. */
export interface IdleTimes {
  readonly freeze: number
  readonly evict: number
  readonly archive: number
}

export interface Transition {
  readonly from: Rung
  readonly to: Rung
  readonly on: readonly Trigger[]
  /** Which idle time the trigger `idle` waits for. */
  readonly after?: keyof IdleTimes
  /** What is done. */
  readonly by: string
  /** What the call that caused it is told, once the sandbox answers. */
  readonly notice?: Notice
}

const DOWN: readonly Trigger[] = ['idle', 'memory', 'room', 'exit']

export const LADDER: readonly Transition[] = [
  { from: 'absent', to: 'starting', on: ['call'], by: 'volume, container, start', notice: 'created' },
  { from: 'starting', to: 'ready', on: ['answered'], by: 'HELLO of the supervisor' },
  { from: 'starting', to: 'evicted', on: ['failed'], by: 'what could not start is removed; the volume stays' },
  { from: 'ready', to: 'frozen', on: ['idle'], after: 'freeze', by: 'QUIESCE, pause' },
  { from: 'ready', to: 'evicted', on: DOWN, after: 'evict', by: 'QUIESCE, remove the container' },
  { from: 'ready', to: 'evicted', on: ['lost'], by: 'the engine, or its supervisor that no server visits' },
  { from: 'frozen', to: 'ready', on: ['call'], by: 'unpause', notice: 'thawed' },
  { from: 'frozen', to: 'evicted', on: DOWN, after: 'evict', by: 'unpause, QUIESCE, remove the container' },
  { from: 'frozen', to: 'evicted', on: ['lost'], by: 'the engine' },
  { from: 'evicted', to: 'starting', on: ['call'], by: 'container on the same volume, start', notice: 'resumed' },
  { from: 'evicted', to: 'archived', on: ['idle'], after: 'archive', by: 'backup, verified; remove the volume' },
  { from: 'archived', to: 'starting', on: ['call'], by: 'restore the volume, container, start', notice: 'resumed' },
  { from: 'ready', to: 'absent', on: ['destroyed'], by: 'remove container and volume' },
  { from: 'frozen', to: 'absent', on: ['destroyed'], by: 'remove container and volume' },
  { from: 'evicted', to: 'absent', on: ['destroyed'], by: 'remove the volume' },
  { from: 'archived', to: 'absent', on: ['destroyed'], by: 'forget the backup' },
]

/** What becomes of a sandbox when this happens to it; undefined when nothing does. */
export function transition(from: Rung, on: Trigger): Transition | undefined {
  return LADDER.find((each) => each.from === from && each.on.includes(on))
}

/** The step that is due after so long without use: of several the lowest, so that nothing is frozen only to be removed. */
export function dueStep(from: Rung, idleMs: number, times: IdleTimes): Transition | undefined {
  const due = LADDER.filter(({ from: rung, on, after }) => {
    const afterMs = after === undefined ? 0 : times[after]
    return rung === from && on.includes('idle') && afterMs > 0 && idleMs >= afterMs
  })
  return due.at(-1)
}

/** What the call that woke a sandbox from there is told. */
export function noticeFrom(rung: 'absent' | 'frozen' | 'evicted' | 'archived'): Notice | undefined {
  return transition(rung, 'call')?.notice
}
