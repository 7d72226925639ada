import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installOnce } from './install-once.ts'
import { ROOT } from './start-server.ts'

/** A virtual environment with the Python clients. */
const VENV = join(ROOT, '.cache/interop-python')
/** Its interpreter. */
export const PYTHON = join(VENV, 'bin/python')

const INSTALL_DEADLINE_MS = 180_000
/** What pip says of a package that no index it can reach has for this Python. */
const NOT_FOUND = /No matching distribution found for .*/

/** Installs what `python/requirements.txt` in the folder names, with the machine's own configuration of pip. Gives why it cannot be had, or ''. */
export function installPython(folder: string): Promise<string> {
  const list = join(folder, 'python/requirements.txt')
  return installOnce(list, join(VENV, '.installed'), async () => {
    rmSync(VENV, { recursive: true, force: true })
    try {
      await run('python3', '-m', 'venv', VENV)
    } catch (error) {
      const { code } = error as { readonly code?: unknown }
      // ENOENT: no such program; 1: Debian's python3 without python3-venv says so.
      if (code !== 'ENOENT' && code !== 1) throw error
      return 'there is no python3 that can make a virtual environment'
    }
    try {
      // Wheels only: a source distribution would run its own code here. Not compiled: most modules are never imported.
      const how = ['--only-binary', ':all:', '--no-compile', '--retries', '0', '--disable-pip-version-check']
      await run(PYTHON, '-m', 'pip', 'install', '--quiet', ...how, '--requirement', list)
      return ''
    } catch (error) {
      const said = NOT_FOUND.exec(String((error as { readonly stderr?: unknown }).stderr))
      if (!said) throw error
      return `pip: ${said[0]}`
    }
  })
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  await promisify(execFile)(program, args, { timeout: INSTALL_DEADLINE_MS })
}
