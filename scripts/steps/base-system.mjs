import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { recipe, recipeDigest } from '../lib/base-image.mjs'
import { which } from '../lib/command.mjs'
import { ensureCacheDir } from '../lib/paths.mjs'

/** Debian's signing keys; on Ubuntu they are in a package of their own. */
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Debian packages that `bootstrapBaseSystem` needs and this machine lacks. */
export function bootstrapTools() {
  return [...(which('mmdebstrap') ? [] : ['mmdebstrap']), ...(existsSync(keyring) ? [] : ['debian-archive-keyring'])]
}

/** Makes the root file system of the base image from Debian's packages, as a tar file, and gives its path. Needs root. */
export async function bootstrapBaseSystem(step) {
  const folder = ensureCacheDir()
  const path = join(folder, `base-${recipeDigest.slice(0, 12)}.tar`)
  if (existsSync(path)) return path
  for (const old of readdirSync(folder).filter((name) => /^base-.*\.tar/.test(name))) rmSync(join(folder, old))

  step.doing(`making a Debian ${recipe.suite} root file system with mmdebstrap`)
  const part = `${path}.part`
  await step.run('mmdebstrap', [
    `--variant=${recipe.variant}`,
    `--include=${recipe.packages.join(',')}`,
    ...recipe.dpkgOptions.map((option) => `--dpkgopt=${option}`),
    '--aptopt=Acquire::Languages "none"',
    `--keyring=${keyring}`,
    '--format=tar',
    recipe.suite,
    part,
  ])
  renameSync(part, path)
  return path
}
