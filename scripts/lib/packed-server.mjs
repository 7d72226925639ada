import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { npm } from './npm.mjs'
import { cacheDir } from './paths.mjs'

/**
 * Makes `folder` what an installation of the published package is: the files that `npm pack` takes, and beside them the packages that they
 * need, exactly those of the lockfile, without running a script of any of them.
 */
export async function unpackServer(step, folder) {
  step.doing('packing')
  const packed = await packPackage(step)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await step.run('tar', ['-xzf', packed, '-C', folder, '--strip-components=1'])
  // What follows is for developers; with the first, npm would miss packages in the lockfile that is packed.
  const { devDependencies: _devDependencies, scripts: _scripts, ...manifest } = readJson(join(folder, 'package.json'))
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)

  step.doing('installing the packages that it needs')
  const install = ['ci', '--omit=dev', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
  await step.run(...npm(...install), { cwd: folder })
}

/** Packs the package and gives the path of its archive. */
async function packPackage(step) {
  const folder = join(cacheDir, 'pack')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await step.run(...npm('pack', '--pack-destination', folder))
  const { name, version } = readJson(new URL('../../package.json', import.meta.url))
  return join(folder, `${name}-${version}.tgz`)
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}
