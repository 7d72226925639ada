import { execFile } from 'node:child_process'
import { hostEnvironment, ROOT } from './start-server.ts'

export interface Ran {
  readonly code: number | string | null | undefined
  readonly stdout: string
  readonly stderr: string
}

/** Runs the program to its end. */
export function run(args: readonly string[], env: Readonly<Record<string, string>> = {}, input?: string): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { cwd: ROOT, env: { ...hostEnvironment(), ...env } }
    const child = execFile(process.execPath, ['dist/cli.js', ...args], options, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }),
    )
    if (input !== undefined) child.stdin?.end(input)
  })
}
