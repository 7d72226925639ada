import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** Runs `install` unless it already ran for this content of `list`. It says why it could not, or ''; what it throws is a fault. */
export async function installOnce(list: string, stamp: string, install: () => Promise<string>): Promise<string> {
  const wanted = createHash('sha256').update(readFileSync(list)).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return ''
  const missing = await install()
  if (missing === '') writeFileSync(stamp, wanted)
  return missing
}
