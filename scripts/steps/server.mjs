import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { fingerprint, isCurrent, stamp } from '../lib/fingerprint.mjs'
import { cliPath, root } from '../lib/paths.mjs'

const stampPath = join(root, 'dist', '.sources')

/** Compiles src to dist, unless dist was made from these very sources. */
export async function compileServer(step) {
  const sources = fingerprint(['src', 'tsconfig.json', 'package-lock.json'])
  if (existsSync(cliPath) && isCurrent(stampPath, sources)) return { summary: 'dist is made from these sources' }

  step.doing('compiling src to dist')
  await step.run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.json'])
  removeOrphans()
  stamp(stampPath, sources)
  return { summary: 'compiled to dist' }
}

/** Removes what was compiled from sources that are gone. dist is not emptied first: a server may be running from it. */
function removeOrphans() {
  for (const entry of readdirSync(join(root, 'dist'), { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || entry.name === '.sources') continue
    const output = join(entry.parentPath ?? entry.path, entry.name)
    const source = output.replace(join(root, 'dist'), join(root, 'src')).replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts')
    if (!existsSync(source)) rmSync(output)
  }
}
