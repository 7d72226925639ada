import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

import { root } from './paths.mjs'

/** SHA-256 (hex) over the names and contents of files and folders, given relative to the repository. Times do not matter. */
export function fingerprint(paths) {
  const hash = createHash('sha256')
  for (const file of paths.flatMap((path) => filesUnder(join(root, path)))) {
    const content = readFileSync(file)
    hash.update(`${relative(root, file)}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}

/** True when `stampPath` says that its product was made from this fingerprint. */
export function isCurrent(stampPath, print) {
  return existsSync(stampPath) && readFileSync(stampPath, 'utf8') === print
}

/** Notes what a product was made from. Call it last, so that a product that was cut short has no stamp. */
export function stamp(stampPath, print) {
  mkdirSync(dirname(stampPath), { recursive: true })
  writeFileSync(stampPath, print)
}

function filesUnder(path) {
  if (!existsSync(path)) return []
  if (statSync(path).isFile()) return [path]
  const entries = readdirSync(path, { withFileTypes: true, recursive: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
}
