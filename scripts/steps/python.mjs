import { spawnSync } from 'node:child_process'

/**
 * Debian packages that the Python clients among the tests need and this machine lacks: an interpreter that can make virtual environments
 * with pip in them. Debian parts that from its python3.
 */
export function pythonTools({ forTests }) {
  if (!forTests) return []
  const { status } = spawnSync('python3', ['-c', 'import ensurepip, venv'], { stdio: 'ignore' })
  return status === 0 ? [] : ['python3-venv']
}
