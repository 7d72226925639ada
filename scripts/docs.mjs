import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { bundleManifest } from './lib/bundle-manifest.mjs'
import { root } from './lib/paths.mjs'
import { withSettingsTable } from './lib/readme-table.mjs'
import { serverJson } from './lib/server-json.mjs'

// `npm run docs`: writes what is told of the settings, the tools and the version elsewhere. With --check it only compares, for CI. Needs a build.
const json = (value) => `${JSON.stringify(value, undefined, 2)}\n`
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const generated = {
  'README.md': withSettingsTable,
  'server.json': () => json(serverJson(manifest)),
  'bundle/manifest.json': () => json(bundleManifest(manifest)),
}

for (const [name, generate] of Object.entries(generated)) {
  const path = join(root, name)
  const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const after = generate(before)
  if (after === before) continue
  if (process.argv.includes('--check')) {
    console.error(`${name} is out of date: run \`npm run docs\`.`)
    process.exitCode = 1
  } else writeFileSync(path, after)
}
