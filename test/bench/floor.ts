import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Case } from './measure.ts'

const directory = mkdtempSync(join(tmpdir(), 'sandbox-mcp-floor-'))
const binary = join(directory, 'floor')
let compiled = false
const children: ChildProcess[] = []

/** A case that times vfork + exec + wait of a program on this machine, measured in C. */
export function floorCase(name: string, argv: readonly string[]): Case {
  if (!compiled) execFileSync('cc', ['-O2', '-o', binary, resolve(import.meta.dirname, 'floor.c')])
  compiled = true
  const child = spawn(binary, argv, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const lines: Interface = createInterface({ input: child.stdout })
  return {
    name,
    selfTimed: true,
    run: () =>
      new Promise((onTime, onError) => {
        child.once('exit', onError)
        lines.once('line', (line) => {
          child.off('exit', onError)
          onTime(Number(line) / 1e6)
        })
        child.stdin.write('x')
      }),
  }
}

export function stopFloors(): void {
  for (const child of children) child.stdin?.end()
  rmSync(directory, { recursive: true, force: true })
}
