import { spawn } from 'node:child_process'
import { accessSync, constants, openSync, closeSync, readFileSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

import { root } from './paths.mjs'

/**
 * Runs a program to its end, without stdin, its output appended to `logPath`.
 * Fails when it exits with another code than 0 (127: there is no such program). When `signal` fires, it and its children are sent SIGTERM, and
 * this fails once it has ended. Gives what this run added to the log.
 */
export async function run(command, args, { logPath, env, cwd = root, signal }) {
  signal?.throwIfAborted()
  const log = openSync(logPath, 'a')
  const from = statSync(logPath).size
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', log, log],
    detached: hasGroups,
  })
  closeSync(log)
  const stop = () => endGroup(child, 'SIGTERM')
  signal?.addEventListener('abort', stop)
  try {
    const [code, killedBy] = await ended(child)
    signal?.throwIfAborted()
    if (code === 0) return readFileSync(logPath).subarray(from).toString()
    throw new Error(`${command} ${killedBy ? `was ended by ${killedBy}` : `failed with exit code ${code}`}`)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** Windows has no process groups; there only the program itself is ended. */
export const hasGroups = process.platform !== 'win32'

/** Sends a signal to a child that was spawned with `detached: hasGroups`, and to all of its own children. */
export function endGroup(child, signal) {
  if (hasGroups) process.kill(-child.pid, signal)
  else child.kill(signal)
}

/** [exit code, signal] of a child; 127 when there is no such program, as the shell has it. */
export function ended(child) {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => (error.code === 'ENOENT' ? resolve([127]) : reject(error)))
    child.once('exit', (code, signal) => resolve([code, signal]))
  })
}

/** Path of a program on PATH, or undefined. */
export function which(name) {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      if (statSync(path).isFile()) return path
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR', 'EACCES'].includes(error.code)) throw error
    }
  }
  return undefined
}
