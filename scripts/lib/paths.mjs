import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'

/** The top of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '')

/** The server's entry once it is compiled. */
export const cliPath = join(root, 'dist', 'cli.js')

/** Logs, stamps and half-made files of set-up. Ignored by git; may be deleted at any time. */
export const cacheDir = join(root, '.cache', 'setup')

/** `cacheDir`, made when missing. */
export function ensureCacheDir() {
  mkdirSync(cacheDir, { recursive: true })
  return cacheDir
}
