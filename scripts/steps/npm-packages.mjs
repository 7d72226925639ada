import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'

import { npm } from '../lib/npm.mjs'
import { root } from '../lib/paths.mjs'

/** Installs exactly what package-lock.json says, unless node_modules already is that. */
export async function installNpmPackages(step) {
  const wanted = lockedPackages(join(root, 'package-lock.json'))
  const installed = lockedPackages(join(root, 'node_modules', '.package-lock.json'))
  const count = Object.keys(wanted).length
  if (isUpToDate(wanted, installed))
    return { summary: `${Object.keys(installed).length} of the lockfile are installed` }

  step.doing(`installing what the lockfile says (up to ${count} packages)`)
  // No script of a package is run: none that we use needs one, and it is where a poisoned package would act.
  await step.run(...npm('ci', '--ignore-scripts', '--no-audit', '--no-fund'))
  return { summary: 'installed from the lockfile' }
}

/**
 * True when everything that is installed is as the lockfile says, and what is missing is only what npm leaves out on this platform.
 * npm keeps the second file in step with the folder: https://docs.npmjs.com/cli/configuring-npm/package-lock-json#hidden-lockfiles
 */
function isUpToDate(wanted, installed) {
  const isAsLocked = ([path, entry]) => isDeepStrictEqual(identity(entry), identity(wanted[path]))
  const mayBeMissing = ([path, entry]) => path in installed || entry.optional === true || entry.peer === true
  return Object.entries(installed).every(isAsLocked) && Object.entries(wanted).every(mayBeMissing)
}

function identity(entry) {
  return entry && { version: entry.version, integrity: entry.integrity }
}

/** Path → entry of all packages but the project itself. */
function lockedPackages(path) {
  if (!existsSync(path)) return {}
  const { packages } = JSON.parse(readFileSync(path, 'utf8'))
  return Object.fromEntries(Object.entries(packages).filter(([key]) => key !== ''))
}
