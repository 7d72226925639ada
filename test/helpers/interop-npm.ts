import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installOnce } from './install-once.ts'

/** What npm says when it has no network or no registry; anything else is a fault. */
const UNREACHABLE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH)\b/
const INSTALL_DEADLINE_MS = 180_000

/** Installs what `package-lock.json` in the folder names. Gives why it cannot be had, or ''. */
export function installNpm(folder: string): Promise<string> {
  return installOnce(join(folder, 'package-lock.json'), join(folder, 'node_modules/.installed'), async () => {
    try {
      // Of all install scripts only the one that fetches the node binary is needed.
      await npm(folder, 'ci', '--ignore-scripts')
      await npm(folder, 'rebuild', 'node')
      return ''
    } catch (error) {
      const said = String((error as { readonly stderr?: unknown }).stderr)
      if (!UNREACHABLE.test(said)) throw error
      return `npm does not reach its registry (${UNREACHABLE.exec(said)?.[0]})`
    }
  })
}

async function npm(cwd: string, ...args: readonly string[]): Promise<void> {
  const options = { cwd, timeout: INSTALL_DEADLINE_MS }
  await promisify(execFile)('npm', [...args, '--no-audit', '--no-fund', '--fetch-retries=1'], options)
}
