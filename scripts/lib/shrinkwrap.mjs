import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { root } from './paths.mjs'

/** Read by npm wherever the package is installed, in place of looking for versions anew. It lies here only while a package is packed. */
const shrinkwrapPath = join(root, 'npm-shrinkwrap.json')

/**
 * Writes what the lockfile says of the dependencies that users install: so that they get, byte for byte, the packages that were tested,
 * and not what somebody has published since. https://docs.npmjs.com/cli/configuring-npm/npm-shrinkwrap-json
 */
export function writeShrinkwrap() {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const packages = Object.fromEntries(Object.entries(lock.packages).filter(([, entry]) => entry.dev !== true))
  const { devDependencies: _devDependencies, ...self } = packages['']
  writeFileSync(shrinkwrapPath, `${JSON.stringify({ ...lock, packages: { ...packages, '': self } }, undefined, 2)}\n`)
}

export function removeShrinkwrap() {
  rmSync(shrinkwrapPath, { force: true })
}
