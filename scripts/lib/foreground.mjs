import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { createInterface } from 'node:readline'

import { endGroup, ended, hasGroups } from './command.mjs'
import { root } from './paths.mjs'
import { isTerminal, print } from './terminal.mjs'

/** No suite takes as long as this; one that hangs must not take CI's whole time. */
const deadlineMs = 40 * 60_000

const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Runs a program, without stdin, with this process's own output, and gives its exit code (127: no such program; 128: ended by a signal or
 * by the deadline of 40 minutes). `onLine` is called with each line of its stdout, after it was printed. A signal that ends this
 * process ends the program, with its children, first.
 */
export async function runInForeground(command, args, onLine) {
  let interruptedBy
  const forward = (signal) => {
    interruptedBy = signal
    endGroup(child, signal)
  }
  // Before there is a child: a signal that comes while it is spawned is heard afterwards.
  for (const signal of endSignals) process.once(signal, forward)
  const child = spawn(command, args, {
    cwd: root,
    // Some programs colour their output wherever CI is set, also in a file.
    env: isTerminal ? process.env : { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', onLine ? 'pipe' : 'inherit', 'inherit'],
    detached: hasGroups,
  })
  const timer = setTimeout(() => {
    print(`✗ not done within ${deadlineMs / 60_000} minutes: ended`)
    endGroup(child, 'SIGKILL')
  }, deadlineMs)
  const exit = ended(child)
  if (onLine) await eachLine(child.stdout, onLine)
  const [code] = await exit
  clearTimeout(timer)
  for (const signal of endSignals) process.off(signal, forward)
  if (interruptedBy) process.exit(128 + constants.signals[interruptedBy])
  return code ?? 128
}

async function eachLine(stream, onLine) {
  for await (const line of createInterface({ input: stream })) {
    print(line)
    onLine(line)
  }
}
