import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Why the clients of others are not there; empty when they are. */
    readonly interopMissing: string
  }
}

/** Where the clients of others are installed, apart from the project's own packages. */
export const INTEROP = resolve(import.meta.dirname, '../interop')

const STAMP = join(INTEROP, 'node_modules/.installed')
/** What npm says when it has no network or no registry; anything else is a fault. */
const UNREACHABLE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH)\b/
const INSTALL_DEADLINE_MS = 180_000

/** Global set-up of the project `interop`: installs what test/interop/package-lock.json names, once. */
export default async function setup(project: TestProject): Promise<void> {
  const missing = await install()
  if (missing !== '') process.stdout.write(`interop: skipped, ${missing}\n`)
  project.provide('interopMissing', missing)
}

async function install(): Promise<string> {
  const lock = createHash('sha256')
    .update(readFileSync(join(INTEROP, 'package-lock.json')))
    .digest('hex')
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lock) return ''
  try {
    // Of all install scripts only the one that fetches the node binary is needed.
    await npm('ci', '--ignore-scripts')
    await npm('rebuild', 'node')
  } catch (error) {
    const said = String((error as { readonly stderr?: unknown }).stderr)
    if (!UNREACHABLE.test(said)) throw error
    return `npm does not reach its registry (${UNREACHABLE.exec(said)?.[0]})`
  }
  writeFileSync(STAMP, lock)
  return ''
}

async function npm(...args: readonly string[]): Promise<void> {
  const options = { cwd: INTEROP, timeout: INSTALL_DEADLINE_MS }
  await promisify(execFile)('npm', [...args, '--no-audit', '--no-fund', '--fetch-retries=1'], options)
}
