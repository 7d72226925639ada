import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NODE_MODULES } from './interop-packages.ts'
import { ROOT } from './start-server.ts'

/** A folder of somebody who has installed this package, and the clients of others. `using` removes it. */
export interface UsersProject extends Disposable {
  readonly folder: string
}

/** Makes one with a copy of examples/ in it. What is installed are links, to the clone and to the packages of the interop tests. */
export function usersProject(): UsersProject {
  const folder = mkdtempSync(join(tmpdir(), 'users-project-'))
  cpSync(join(ROOT, 'examples'), folder, { recursive: true })
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  // None where npm does not reach its registry.
  const installed = existsSync(NODE_MODULES) ? readdirSync(NODE_MODULES) : []
  for (const name of installed.filter((each) => !each.startsWith('.'))) {
    symlinkSync(join(NODE_MODULES, name), join(modules, name))
  }
  symlinkSync(ROOT, join(modules, 'sandbox-mcp'))
  symlinkSync('../sandbox-mcp/dist/cli.js', join(modules, '.bin/sandbox-mcp'))
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) }
}
